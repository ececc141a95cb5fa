"""`Host`: the machine, or what stands for it, as a value that everything is read through."""

from __future__ import annotations

__all__ = ["Host"]

import errno
import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from cdi.errors import FileError
from cdi.host.below import Below
from cdi.host.kernel_nodes import KernelNodes, has_own_nodes
from cdi.host.remembering import Remembering
from cdi.host.source import HostError, Source, Stat
from cdi.names import natural_key
from cdi.rooted import Directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_P = ParamSpec("_P")
_T = TypeVar("_T")
TREE_NAME = "host.tree"
_MAX_TREE = 64 << 20
_MAX_READ = 1 << 20


class Host:
    """A file system root and what is read below it; paths are absolute inside the root and never lead out.

    `dev_root` and `driver_root` are directories inside the root that hold the device nodes and the driver's
    files, where those are not the root's own (a driver installed by a container); `library_dirs` are further
    directories of its libraries, as paths below the driver root. Reads raise `HostError`; `exists`, `lookup` and
    `node` answer for a path at which there is nothing.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] = "/",
        *,
        dev_root: str | None = None,
        driver_root: str | None = None,
        library_dirs: tuple[str, ...] = (),
        source: Source | None = None,
    ) -> None:
        self._source = source if source is not None else Directory(os.fspath(root))
        self._root = os.fspath(root) if source is None else None
        self._dev_root = dev_root
        self._driver_root = driver_root
        self._nodes_told = False
        self.library_dirs = library_dirs

    @classmethod
    def from_tree(cls, text: str, *, source: str = "tree", **places: Any) -> Host:
        """Return the host that a text tree describes; raise `FileError` naming `source` and line if it is wrong.

        `places` are the keywords of `Host` itself.
        """
        from cdi.host.tree import Tree, parse_tree  # noqa: PLC0415 - the machine itself needs none of it

        entries = parse_tree(text, source=source)
        try:
            tree = Tree(entries)
        except OSError as error:
            message = f"{source}: {error.filename!r} lies below an entry that is no directory"
            raise FileError(message) from error
        return cls(source=tree, **places)

    @classmethod
    def load(cls, path: str | os.PathLike[str], **places: Any) -> Host:
        """Return the host at a path: a text tree, a directory that holds one as `host.tree`, or any directory.

        `places` are the keywords of `Host` itself.
        """
        place = Path(path)
        is_tree = place.is_file()
        file = place if is_tree else place / TREE_NAME
        if not is_tree and not (file.is_file() and not file.is_symlink()):
            if not place.is_dir():
                missing = f"cannot read host {os.fspath(path)!r}: no such directory or text tree"
                raise FileError(missing)
            return cls(path, **places)
        try:
            raw = Directory(str(file.parent.resolve())).read(f"/{file.name}", _MAX_TREE)
            text = raw.decode()
        except OSError as error:
            raise FileError.from_os(error, "read", file) from error
        except UnicodeDecodeError as error:
            message = f"cannot read {str(file)!r}: not a text tree, it is not UTF-8"
            raise FileError(message) from error
        return cls.from_tree(text, source=str(file), **places)

    def over(self, source: Source, *, dev_root: str | None = None) -> Host:
        """Return this host as read through another source, or with its device nodes in another directory."""
        return self._copied(source, dev_root or self._dev_root, nodes_told=self._nodes_told and dev_root is None)

    def _copied(self, source: Source, dev_root: str | None, *, nodes_told: bool) -> Host:
        host = Host(dev_root=dev_root, driver_root=self._driver_root, library_dirs=self.library_dirs, source=source)
        host._root = self._root
        host._nodes_told = nodes_told
        return host

    def remembering(self) -> Host:
        """Return this host as it is now: what was read once is not read again. One that does so already is returned."""
        if isinstance(self._source, Remembering):
            return self
        source = self._source.keeping() if isinstance(self._source, Directory) else self._source
        return self.over(Remembering(source))

    def once(self, read: Callable[Concatenate[Host, _P], _T], *what: _P.args, **how: _P.kwargs) -> _T:
        """Return what a function makes of this host and its arguments; of one that remembers, the same value again."""
        if isinstance(self._source, Remembering):
            question = (read, what, tuple(how.items()), self._dev_root, self._driver_root)
            return self._source.once(question, lambda: read(self, *what, **how))
        return read(self, *what, **how)

    def with_nodes(self) -> Host:
        """Return this host with the nodes that sysfs tells of, where its `/dev` is not its own."""
        if self._nodes_told or self.has_nodes:
            return self
        nodes = KernelNodes(self._source)
        source = Remembering(nodes) if isinstance(self._source, Remembering) else nodes
        return self._copied(source, self._dev_root, nodes_told=True)

    def below(self, top: str) -> Host:
        """Return what a process sees after a chroot into a directory of this host; raise `HostError`."""
        if top == "/":
            return self
        return self.over(Below(self._source, self.resolve(top)))

    def __repr__(self) -> str:
        return f"Host({self._source!r})"

    @property
    def source(self) -> Source:
        """What this host is read from."""
        return self._source

    @property
    def root(self) -> str | None:
        """The directory that stands in for `/`, None for a text tree."""
        return self._root

    @property
    def dev_root(self) -> str:
        """The directory that holds `/dev`."""
        return self._dev_root or "/"

    @property
    def dev_root_given(self) -> bool:
        """Whether the user said where the device nodes are."""
        return self._dev_root is not None

    @property
    def has_nodes(self) -> bool:
        """Whether `/dev` is the host's own: a node that is not there is missing.

        In a container that has the host's sysfs it is not, unless the user said where the device nodes are; what the
        kernel knows of nodes is all there is to know then (`with_nodes`).
        """
        return not self._nodes_told and (self.dev_root_given or has_own_nodes(self._source))

    @property
    def driver_root_given(self) -> bool:
        """Whether the user said where the driver is."""
        return self._driver_root is not None

    @property
    def driver_root(self) -> str:
        """The directory that holds the driver's `/usr` and `/lib`."""
        return self._driver_root or "/"

    @property
    def may_load(self) -> bool:
        """Whether a library of the driver may be loaded into this process, and answers for this host.

        It may if the root is that of the machine that we run on, or if the user named a driver root: code of any
        other root is not to be trusted, and would ask the kernel that runs here about another machine.
        """
        return self._root is not None and (self.driver_root_given or _is_own_root(self._root))

    @property
    def is_here(self) -> bool:
        """Whether this host's paths are those of this process, so that its programs may be asked."""
        return self._root is not None and _is_same(self._root, "/")

    def read_bytes(self, path: str, *, limit: int = _MAX_READ) -> bytes:
        """Return the content of a regular file; one of more than `limit` bytes is an error."""
        return self._ask("read", self._source.read, path, limit)

    def read_text(self, path: str, *, limit: int = _MAX_READ) -> str:
        """Return the content of a regular file as text; bytes that are not UTF-8 become U+FFFD."""
        return self.read_bytes(path, limit=limit).decode("utf-8", "replace")

    def listdir(self, path: str, *, natural: bool = True) -> tuple[str, ...]:
        """Return the names in a directory, sorted, numbers as numbers; as text costs a tenth, for thousands of them."""
        names = self._ask("list", self._source.listdir, path)
        return tuple(sorted(names, key=natural_key if natural else None))

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted, numbers as numbers; none where there is no directory."""
        try:
            return self.listdir(path)
        except HostError as error:
            if error.missing:
                return ()
            raise

    def readlink(self, path: str) -> str:
        """Return the target of a link as it is written."""
        return self._ask("read the link", self._source.readlink, path)

    def resolve(self, path: str) -> str:
        """Return the path inside the root, without links and dots."""
        return self._ask("resolve", self._source.resolve, path)

    def stat(self, path: str, *, follow: bool = True) -> Stat:
        """Return what is at a path; of a link, what it leads to unless `follow` is false."""
        return self._ask("look at", self._source.stat, path, follow=follow)

    def lookup(self, path: str, *, follow: bool = True) -> Stat | None:
        """Return what is at a path, or None when there is nothing."""
        try:
            return self.stat(path, follow=follow)
        except HostError as error:
            if error.missing:
                return None
            raise

    def exists(self, path: str) -> bool:
        """Return whether there is something at a path (a dangling link is nothing)."""
        return self.lookup(path) is not None

    def is_dir(self, path: str) -> bool:
        """Return whether there is a directory at a path."""
        found = self.lookup(path)
        return found is not None and found.type == "d"

    def label(self, path: str) -> str | None:
        """Return the SELinux label of what is at a path, a link followed; None where there is none."""
        return self._ask("read the label of", self._source.label, path)

    def node(self, path: str) -> Stat | None:
        """Return the device node (or FIFO) at a path, or None; runtimes follow no link here, nor do we."""
        found = self.lookup(path, follow=False)
        return found if found is not None and found.is_node else None

    def glob(self, pattern: str) -> Iterator[str]:
        """Yield the paths that match, sorted, numbers as numbers; `*`, `?` and `[…]` do not match a slash."""
        yield from self._glob("", [part for part in pattern.split("/") if part])

    def dev(self, path: str) -> str:
        """Return the path of a device node below `dev_root`."""
        return self.dev_root.rstrip("/") + path

    def driver(self, path: str) -> str:
        """Return the path of a driver's file below `driver_root`."""
        return self.driver_root.rstrip("/") + path

    def open(self, path: str) -> int:
        """Return a descriptor to read a regular file, for the caller to close."""
        return self._ask("open", self._source.open, path)

    def _glob(self, base: str, parts: list[str]) -> Iterator[str]:
        if not parts:
            if self.exists(base or "/"):
                yield base or "/"
            return
        part, *rest = parts
        if not any(char in part for char in "*?["):
            yield from self._glob(f"{base}/{part}", rest)
            return
        for name in self.names(base or "/"):
            if fnmatchcase(name, part):
                yield from self._glob(f"{base}/{name}", rest)

    @staticmethod
    def _ask(
        action: str, question: Callable[Concatenate[str, _P], _T], path: str, *what: _P.args, **how: _P.kwargs
    ) -> _T:
        try:
            return question(path, *what, **how)
        except OSError as error:
            raise HostError(path, action, error) from error
        except ValueError as error:  # a null character, which Python words differently from version to version
            raise HostError(path, action, OSError(errno.EINVAL, "embedded null byte")) from error


def _is_own_root(root: str) -> bool:
    """Return whether a directory is the root of this machine, also as a container with the host's PIDs sees it."""
    return _is_same(root, "/") or _is_same(root, "/proc/1/root")


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samestat(os.stat(one), os.stat(other))  # noqa: PTH116 - of strings
    except OSError:
        return False
