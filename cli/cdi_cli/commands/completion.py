"""`cdi completion`: what a shell needs to complete commands, options and device names."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Script", "completion"]

from typing import Annotated, Literal

import typer

from cdi_cli.answer import Answer

EXAMPLES = {
    "completion": """cdi completion bash > /etc/bash_completion.d/cdi
cdi completion zsh > "${fpath[1]}/_cdi"
cdi completion fish > ~/.config/fish/completions/cdi.fish""",
}

# Each asks `cdi` itself, by Typer's protocol: the variable names the shell, others carry the line so far.
_SCRIPTS = {
    "bash": """\
_cdi_completion() {
    local IFS=$'\\n'
    COMPREPLY=($(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _CDI_COMPLETE=complete_bash "$1"))
}
complete -o default -F _cdi_completion cdi
""",
    "zsh": """\
#compdef cdi
_cdi_completion() {
    eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _CDI_COMPLETE=complete_zsh cdi)
}
if [ "$funcstack[1]" = "_cdi" ]; then _cdi_completion; else compdef _cdi_completion cdi; fi
""",
    "fish": """\
function __cdi_complete
    env _CDI_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=$argv[1] _TYPER_COMPLETE_ARGS=(commandline -cp) cdi
end
complete --command cdi --no-files --arguments "(__cdi_complete get-args)" --condition "__cdi_complete is-args"
""",
}


class Script(Answer, frozen=True, kw_only=True):
    """A script for a shell to read."""

    text: str


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="The shell.", show_default=False)],
) -> Script:
    """Print the completion script for a shell."""
    return Script(text=_SCRIPTS[shell])
