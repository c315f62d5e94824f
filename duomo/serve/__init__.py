"""Serve: models behind the API that existing clients speak. Nothing is imported here: what serves needs the extra `serve`."""
