"""What runs as root while a container is made: hooks that finish what mounts and device nodes alone cannot do.

Every file of the container is taken for hostile. `root` is the only module that touches them.
"""

from __future__ import annotations
