"""One file a family that needs code: each defines `FAMILY`, and is found by being here."""
