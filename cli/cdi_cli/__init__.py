"""The command `cdi`: options in, a call of the library, a value out, and renderers that turn it into text."""
