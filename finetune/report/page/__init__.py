"""The page `report.html` of one run or of several: one file that needs no network and opens from the disk.

`folders` reads what the run folders hold; `facts`, `scores`, `charts`, `masks`, `examples`, `confusion` and `compared` each
make one section of it; `page` puts them into the template `page.html.jinja`.
"""

from finetune.report.page.page import build_page, write_page, write_report

__all__ = ["build_page", "write_page", "write_report"]
