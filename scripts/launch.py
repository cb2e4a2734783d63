"""Starts finetune/run.py through `accelerate launch`: `launch.py [--flag [value] ...] [key=value ...]`, in any order.

The flags are those of accelerate and have the same effect, with these exceptions:

- The exit status is that of run.py; accelerate turns every failure into a traceback and status 1.
- A single process replaces the launcher, so that signals reach the run directly.
- Without a GPU, `--num_processes 2` starts two processes; accelerate silently starts one.
- Processes on a CPU share all cores; accelerate gives each of them one thread unless OMP_NUM_THREADS is set.
- Default values of flags are used without a warning.
"""

import argparse
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch
from accelerate.commands import launch
from accelerate.commands.config.config_args import default_config_file, load_config_from_file
from accelerate.utils.launch import prepare_simple_launcher_cmd_env
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

RUN = str(Path(__file__).resolve().parent.parent / "finetune" / "run.py")


def main(arguments: Sequence[str]) -> int:
    """Launch run.py and return its exit status, unless it replaces this process."""
    args = parse(arguments)
    # For the command that resumes the run: the script that was called, where it was called, with its words.
    os.environ["FINETUNE_COMMAND"] = shlex.join([os.environ.get("FINETUNE_RUN_SCRIPT", "scripts/run"), *arguments])
    split_cpu(args)
    launch.logger.addFilter(is_no_default)
    launch.simple_launcher = replace_this_process
    try:
        launch.launch_command(args)
    except subprocess.CalledProcessError as error:
        return error.returncode
    except ChildFailedError as error:
        _rank, failure = error.get_first_failure()
        return failure.exitcode
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return accelerate's arguments: its flags with their values, and all other words as arguments of run.py."""
    parser = launch.launch_command_parser()
    parser.prog = "scripts/run"
    parser.usage = "scripts/run [recipe=NAME] [key=value ...] [--flag [value] ...]  (flags: accelerate launch --help)"
    overrides = [argument for argument in arguments if is_override(argument)]
    flags = [argument for argument in arguments if not is_override(argument)]
    args: argparse.Namespace = parser.parse_args([*flags, RUN, *overrides])
    words = [args.training_script, *args.training_script_args]
    words.remove(RUN)
    args.training_script, args.training_script_args = RUN, words
    return args


def is_override(argument: str) -> bool:
    """Return whether an argument has the form key=value."""
    return "=" in argument and not argument.startswith("-")


def split_cpu(args: argparse.Namespace) -> None:
    """Set what accelerate does not on a CPU: the requested number of processes, and their share of the cores."""
    config = configuration(args)
    num_processes = args.num_processes or getattr(config, "num_processes", None) or torch.cuda.device_count() or 1
    num_machines = args.num_machines or getattr(config, "num_machines", None) or 1
    on_cpu = args.cpu or not torch.accelerator.is_available()
    if on_cpu and (args.num_processes or 1) > 1:
        args.cpu, args.multi_gpu = False, True
        os.environ["ACCELERATE_USE_CPU"] = "true"
    processes_here = max(num_processes // num_machines, 1)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(torch.get_num_threads() // processes_here, 1)))


def configuration(args: argparse.Namespace) -> object | None:
    """Return the configuration that accelerate would read, or None."""
    if args.config_file is None and (args.cpu or not Path(default_config_file).is_file()):
        return None
    config: object = load_config_from_file(args.config_file)
    return config


def is_no_default(record: logging.LogRecord) -> bool:
    """Return False for accelerate's warning of flags that were not passed, as a filter of log records."""
    return not record.getMessage().startswith("The following values were not passed")


def replace_this_process(args: argparse.Namespace) -> NoReturn:
    """Replace the launcher by the single process of a run, with the environment that accelerate prepares for it."""
    command, environment = prepare_simple_launcher_cmd_env(args)
    os.execvpe(command[0], command, environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
