"""CDI specs, from bare hardware to devices inside containers."""
