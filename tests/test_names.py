"""Names of devices, kinds, spec files and annotations."""

from __future__ import annotations

import pytest

from cdi.errors import InvalidName
from cdi.names import QualifiedName, annotation, natural_key, parse_name, spec_name, split_kind


def test_a_qualified_name_has_three_parts_and_prints_as_written() -> None:
    name = parse_name("vendor.com/gpu=0000:3b:00.0")
    assert name == QualifiedName("vendor.com", "gpu", "0000:3b:00.0")
    assert str(name) == "vendor.com/gpu=0000:3b:00.0"
    assert name.kind == "vendor.com/gpu"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unqualified device name '', a vendor is missing"),
        ("gpu0", "unqualified device name 'gpu0', a vendor is missing"),
        ("/gpu=0", "unqualified device name '/gpu=0', a vendor is missing"),
        ("vendor.com/=0", "unqualified device name 'vendor.com/=0', a class is missing"),
        ("vendor.com/gpu", "unqualified device name 'vendor.com/gpu', a device name is missing"),
        ("vendor.com/gpu=", "unqualified device name 'vendor.com/gpu=', a device name is missing"),
        (
            "1vendor/gpu=0",
            "invalid device name '1vendor/gpu=0': invalid vendor '1vendor', it must start with a letter",
        ),
        (
            "vendor.com/gpu-=0",
            "invalid device name 'vendor.com/gpu-=0': invalid class 'gpu-', it must end with a letter or a digit",
        ),
        (
            "v.com/gpu=a b",
            """invalid device name 'v.com/gpu=a b': invalid device name 'a b', \
' ' is not allowed (letters, digits and '._:-' are)""",
        ),
        (
            "v.com/gpu=é",
            """invalid device name 'v.com/gpu=é': invalid device name 'é', \
'é' is not allowed (letters, digits and '._:-' are)""",
        ),
    ],
)
def test_an_invalid_name_says_which_part_and_why(text: str, message: str) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_name(text)
    assert caught.value.message == message


@pytest.mark.parametrize("text", ["v.com/gpu=a\n", "v.com\n/gpu=a", "v.com/gpu=-", "v.com/gpu=.a", "v.com/gpu=*"])
def test_what_only_looks_like_a_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        parse_name(text)


def test_a_kind_without_slash_has_no_vendor() -> None:
    assert split_kind("vendor.com/gpu") == ("vendor.com", "gpu")
    assert split_kind("gpu") == ("", "gpu")


def test_a_transient_spec_name_cannot_leave_its_directory() -> None:
    assert spec_name("vendor.com", "gpu") == "vendor.com-gpu"
    assert spec_name("vendor.com", "gpu", transient_id="../claim/1") == "vendor.com-gpu_.._claim_1"


def test_an_annotation_names_its_plugin_and_lists_devices() -> None:
    names = ["vendor.com/gpu=0", "vendor.com/gpu=1"]
    assert annotation("plugin", "a/b", names) == ("cdi.k8s.io/plugin_a_b", "vendor.com/gpu=0,vendor.com/gpu=1")


@pytest.mark.parametrize(
    ("plugin", "device_id"), [("", "x"), ("p", ""), ("-p", "x"), ("p" * 40, "x" * 40), ("p", "x!")]
)
def test_an_invalid_annotation_name_is_refused(plugin: str, device_id: str) -> None:
    with pytest.raises(InvalidName):
        annotation(plugin, device_id, ["vendor.com/gpu=0"])


def test_pci_addresses_sort_as_hexadecimal_numbers() -> None:
    addresses = ["0000:03:00.0", "0000:0e:00.0", "0000:10:00.0", "0000:10:00.1", "0001:01:00.0", "10000:01:00.0"]
    paths = [f"/dev/dri/by-path/pci-{address}-card" for address in addresses]
    assert sorted({*addresses}, key=natural_key) == addresses
    assert sorted({*paths}, key=natural_key) == paths
