"""What the tabs share: the engine, settings, how a section asks the server."""
