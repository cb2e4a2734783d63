"""The page `report.html` of one run or of several: one file that needs no network and opens from the disk.

`folders` reads what the run folders hold. `scores`, `confusion`, `compared`, `charts`, `examples`, `facts`, `masks` and
`speed` each make a part of the page, which `page` puts into the template `page.html.jinja`.
"""

from finetune.report.page.page import NAME, build_page, write_page, write_report

__all__ = ["NAME", "build_page", "write_page", "write_report"]
