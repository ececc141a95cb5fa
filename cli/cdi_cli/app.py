"""The command line: a group that imports a command when it runs, and the options that all commands share."""

from __future__ import annotations

__all__ = ["Outcome", "invoke"]

import importlib
import os
from copy import copy
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_install_completion_arguments

from cdi.errors import UsageError
from cdi_cli.commands import COMMANDS, SECTIONS, Entry
from cdi_cli.render import formats
from cdi_cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdi_cli.answer import Answer

_HELP_NAMES = {"help_option_names": ["-h", "--help"]}
_COMPLETE = "_CDI_COMPLETE"
_EVERYWHERE = ("quiet", "verbose", "color")  # shared options that every command takes


class Outcome(NamedTuple):
    """What a command gave back, and the settings that it ran with."""

    answer: Answer
    settings: Settings


class Command(TyperCommand):
    """A command that also takes shared options, checks the output format, and gives back an `Outcome`."""

    formats: tuple[str, ...] = ()

    def invoke(self, ctx: Any) -> Outcome:
        """Run the command."""
        names = [name for name in ctx.params if name in Settings.__struct_fields__]
        settings = ctx.obj.overlaid({name: ctx.params.pop(name) for name in names})
        ctx.obj = settings.overlaid({"output": self._format(settings.output, ctx.info_name)})
        return Outcome(super().invoke(ctx), ctx.obj)

    def _format(self, wanted: str, name: str) -> str:
        if wanted in self.formats:
            return wanted
        if not wanted:
            return self.formats[0]
        message = f"unknown output format {wanted!r} for {name!r}"
        if "/" in wanted or "." in wanted:
            writes = any("--output-file" in param.opts for param in self.params)
            hint = "--output is a format, as in kubectl: write to a file with "
            hint += f"--output-file {wanted}" if writes else f"> {wanted}"
            raise UsageError(message, hint=hint)
        raise UsageError(message, hint=f"{name} has the formats {', '.join(self.formats)}")


class Group(TyperGroup):
    """The commands of the table, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's protocol
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - as above
        """Import a command and return it, or None."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.commands[cmd_name] = self._build(cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments begin with; raise `UsageError` with the nearest name."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415 - only for who mistypes

            near = get_close_matches(args[0], COMMANDS, n=1)
            message = f"no such command {args[0]!r}"
            raise UsageError(message, hint=f"did you mean {near[0]!r}?" if near else "'cdi --help' lists all")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as above
        """Write the commands to the help text, by what they are for."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in commands.items()])

    def _build(self, name: str) -> Any:
        entry = COMMANDS[name]
        module = importlib.import_module(f"cdi_cli.commands.{entry.module}")
        function = getattr(module, name)
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        example = "\b\nExample:\n" + "\n".join(f"  {line}" for line in module.EXAMPLES[name].splitlines())
        context = _HELP_NAMES | {"ignore_unknown_options": entry.passes_on}
        app.command(name, cls=Command, epilog=example, context_settings=context)(function)
        command: Any = get_command(app)
        command.formats = formats(function.__annotations__["return"].partition(" ")[0])
        shared = (*entry.takes, "output", *_EVERYWHERE) if len(command.formats) > 1 else (*entry.takes, *_EVERYWHERE)
        command.params += [_fitted(param, command, entry) for param in self.params if param.name in shared]
        return command


def _fitted(param: Any, command: Command, entry: Entry) -> Any:
    """Return a shared option as a command shows it: `--output` with the formats that it has."""
    if param.name != "output":
        return param
    param = copy(param)
    param.opts = [*param.opts, *([entry.format_option] if entry.format_option else [])]
    param.help = f"Output format: {', '.join(command.formats)}.  [default: {command.formats[0]}]"
    return param


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer's protocol
    if wanted:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, and rarely asked for

        from cdi.versions import LATEST  # noqa: PLC0415 - as above

        try:
            own = version("cdi-tools")
        except PackageNotFoundError:
            own = "(not installed)"
        typer.echo(f"cdi {own}, CDI {LATEST}")
        raise typer.Exit


def cdi(  # noqa: PLR0913 - the shared options
    ctx: typer.Context,
    *,
    root: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Directory or text tree that stands in for the host's /.", show_default=False),
    ] = None,
    spec_dir: Annotated[
        list[str] | None,
        typer.Option(
            "-d",
            "--spec-dir",
            metavar="DIR",
            help="Spec directory; repeat it from low to high priority.  [env: CDI_SPEC_DIRS; default: /etc/cdi, "
            "/var/run/cdi]",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FORMAT", help="Output format.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say only what is wrong.", show_default=False)] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more.", show_default=False)] = False,
    color: Annotated[
        Literal["auto", "always", "never"] | None,
        typer.Option(help="Colour the output; auto is on a terminal.", show_default=False),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True, show_default=False)
    ] = False,
) -> None:
    """Give devices to containers with CDI, the Container Device Interface.

    Find the hardware of a host, write, check and install specs for it, and see what they do to a container.
    """
    ctx.obj = Settings().overlaid(
        {
            "root": root,
            "spec_dir": spec_dir,
            "output": output,
            "quiet": quiet,
            "verbose": verbose,
            "color": color,
        }
    )


_EXAMPLE = """\b
Example:
  cdi generate --install    # specs for what this host has
  cdi devices               # what containers can ask for"""


def group() -> Any:
    """Return the whole command line, its commands not yet imported."""
    app = typer.Typer(
        cls=Group,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings=_HELP_NAMES,
        epilog=_EXAMPLE,
    )
    app.callback()(cdi)
    return get_command(app)


def invoke(arguments: Sequence[str] | None) -> Outcome | int:
    """Run a command line; give back the outcome, or the exit code when help was all that was asked for."""
    if _COMPLETE in os.environ:  # a shell asks by the script of `cdi completion`
        get_install_completion_arguments()  # which also makes Typer's answers known; its own options we leave out
    result: Outcome | int = group().main(args=arguments, prog_name="cdi", complete_var=_COMPLETE, standalone_mode=False)
    return result
