"""The endpoint: takes in profiles exactly once, merges them into windows, answers what drifted.

Import what you need from its modules (`server.serve`, `query.load_comparison`, `keys.read_keys`):
only `app` and `server` need Starlette and uvicorn.
"""
