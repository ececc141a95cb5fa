"""Every rule has a page in docs/rules, and every page tells the truth: its example gives exactly its output."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cdi.compat import Release, release_of
from cdi.host import Host
from cdi.hostcheck import check_host
from cdi.registry import Registry
from cdi.releasecheck import check_release
from cdi.report import check, locate

ROOT = Path(__file__).parent.parent
PAGES = {path.stem: path for path in sorted((ROOT / "docs/rules").glob("*.md")) if path.stem != "README"}
RULE = re.compile(r"[a-z]+(?:-[a-z]+)*")
# Functions whose first argument is the name of a rule.
REPORTERS = {"DocumentError", "_error", "_problem", "_warning", "error", "rule", "say", "warn"}


def rules_in(tree: ast.AST) -> set[str]:
    """Return the rule names in a module: arguments of reporters, and the values and defaults of `rule`."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            found += node.args[:1] if name in REPORTERS else []
            found += [keyword.value for keyword in node.keywords if keyword.arg == "rule"]
        elif isinstance(node, ast.arguments):
            pairs = zip(node.kwonlyargs, node.kw_defaults, strict=True)
            found += [default for argument, default in pairs if argument.arg == "rule" and default is not None]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            targets = getattr(node.targets[0], "elts", [])
            found += [node.value.elts[0]] if targets and getattr(targets[0], "id", "") == "rule" else []
    names = {node.value for node in found if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {name for name in names if RULE.fullmatch(name)}


def all_rules() -> set[str]:
    modules = (
        "decode",
        "hostcheck",
        "releasecheck",
        "report",
        "rules/edits",
        "rules/specs",
        "scan",
        "schema",
        "syntax",
    )
    trees = [ast.parse((ROOT / f"cdi/{module}.py").read_text()) for module in modules]
    return {rule for tree in trees for rule in rules_in(tree)}


def blocks(page: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert set(PAGES) == all_rules()


def test_the_index_lists_every_page_once() -> None:
    index = (ROOT / "docs/rules/README.md").read_text()
    assert sorted(re.findall(r"\]\(([a-z-]+)\.md\)", index)) == sorted(PAGES)


# The schema page is proved in test_schema.py.
OF_HOST = [name for name in PAGES if name.startswith("host-")]
OF_DIRECTORY = ["device-conflict", "directory-link", "unreadable"]
OF_RELEASE = [name for name in PAGES if name.startswith("compat-")]
OF_CHECK = [name for name in PAGES if name != "schema" and name not in OF_HOST + OF_DIRECTORY + OF_RELEASE]
FILE_MODES = {"host-file-mode": 0o600, "host-file-place": 0o644}


@pytest.mark.parametrize("name", OF_CHECK)
def test_the_example_gives_the_output_on_the_page(name: str) -> None:
    page = PAGES[name].read_text()
    (language, example), (_, output) = blocks(page)
    text = eval(example) if language == "python" else example
    source = output.partition(":")[0]
    found = check(text, source=source).problems
    if name == "too-many-problems":  # all the others would fill the page
        found = tuple(problem for problem in found if problem.rule == name)
    assert "".join(f"{problem.render(source)}\n" for problem in found) == output
    severities = {problem.severity for problem in found if problem.rule == name}
    assert [f"Severity: {severity}." in page for severity in severities] == [True]


@pytest.mark.parametrize("name", [name for name in OF_HOST if name not in FILE_MODES])
def test_the_example_on_its_host_gives_the_output_on_the_page(name: str) -> None:
    page = PAGES[name].read_text()
    (_, text), (_, tree), (_, output) = blocks(page)
    spec = check(text).spec
    assert spec is not None
    found = locate(text, check_host(spec, Host.from_tree(tree)))
    assert "".join(f"{problem.render('gpu.yaml')}\n" for problem in found) == output
    assert {(problem.rule, f"Severity: {problem.severity}." in page) for problem in found} == {(name, True)}


@pytest.mark.parametrize("name", FILE_MODES)
def test_a_file_in_that_state_gives_the_output_on_the_page(name: str, tmp_path: Path) -> None:
    page = PAGES[name].read_text()
    ((_, output),) = blocks(page)
    path = tmp_path / "gpu.yaml"
    path.write_bytes((ROOT / "spec-examples/valid/gpu.yaml").read_bytes())
    path.chmod(FILE_MODES[name])
    spec = check(path.read_bytes()).spec
    assert spec is not None
    spec_dirs = ("/etc/cdi", "/var/run/cdi", *([str(tmp_path)] if name == "host-file-mode" else []))
    found = check_host(spec, Host.from_tree(""), path=str(path), spec_dirs=spec_dirs)
    lines = [
        problem.render("gpu.yaml") for problem in found if problem.rule == name and "closed" not in problem.message
    ]
    assert [line.replace(str(tmp_path), "/srv/specs") for line in lines] == output.splitlines()
    assert "Severity: warning." in page


@pytest.mark.parametrize("name", [name for name in OF_RELEASE if name not in {"compat-ignored", "compat-place"}])
def test_the_example_for_its_release_gives_the_output_on_the_page(name: str) -> None:
    page = PAGES[name].read_text()
    (_, text), (_, output) = blocks(page)
    (release,) = re.findall(r"^`cdi validate --compat (\S+) gpu\.yaml`:$", page, re.MULTILINE)
    spec = check(text).spec
    assert spec is not None
    found = locate(text, check_release(spec, release_of(release)))
    assert "".join(f"{problem.render('gpu.yaml')}\n" for problem in found) == output
    assert (name, True) in {(problem.rule, f"Severity: {problem.severity}." in page) for problem in found}


def test_a_file_in_that_directory_gives_the_output_on_the_page() -> None:
    page = PAGES["compat-place"].read_text()
    ((_, output),) = blocks(page)
    text = (ROOT / "spec-examples/valid/gpu.yaml").read_text()
    spec = check(text).spec
    assert spec is not None
    found = locate(text, check_release(spec, release_of("podman-5.5.2"), path="/var/run/cdi/gpu.yaml"))
    assert "".join(f"{problem.render('gpu.yaml')}\n" for problem in found) == output
    assert "Severity: error." in page


def test_the_ignored_field_on_the_page_gives_its_output() -> None:
    page = PAGES["compat-ignored"].read_text()
    (_, text), (_, output) = blocks(page)
    spec = check(text).spec
    assert spec is not None
    release = Release(name="docker-29.2.0", newest="1.1.0", low_level="runc 1.3.6", ignores=("netDevices",))
    assert (
        "".join(f"{problem.render('nic.yaml')}\n" for problem in locate(text, check_release(spec, release))) == output
    )
    assert "Severity: warning." in page


def test_the_conflict_on_the_page_gives_its_output(tmp_path: Path) -> None:
    (_, first), (_, second), (_, output) = blocks(PAGES["device-conflict"].read_text())
    (tmp_path / "a.yaml").write_text(first)
    (tmp_path / "b.yaml").write_text(second)
    assert said_of(tmp_path) == output


def test_the_dangling_link_on_the_page_gives_its_output(tmp_path: Path) -> None:
    ((_, output),) = blocks(PAGES["unreadable"].read_text())
    (tmp_path / "gpu.yaml").symlink_to("gone")
    assert said_of(tmp_path) == output


def test_the_directory_that_is_a_link_gives_the_output_on_the_page(tmp_path: Path) -> None:
    ((_, output),) = blocks(PAGES["directory-link"].read_text())
    (tmp_path / "etc").mkdir()
    directory = tmp_path / "etc/cdi"
    directory.symlink_to("/srv/cdi")
    ((path, (problem,)),) = Registry.load([directory], root=tmp_path).problems.items()
    assert problem.render(str(path)).replace(str(tmp_path), "") + "\n" == output


def said_of(directory: Path) -> str:
    problems = Registry.load([directory]).problems
    lines = [f"{problem.render(path.name)}\n" for path in sorted(problems) for problem in problems[path]]
    return "".join(lines).replace(f"{directory}/", "")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_title_a_reason_and_a_way_out(name: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", PAGES[name].read_text(), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"^#+ (.*)$", prose, re.MULTILINE) == [f"`{name}`", "Why", "Example", "Fix"]
