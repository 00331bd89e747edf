"""The description of the API: OpenAPI 3.1, made from the code, and a page made from that.

``endpoints`` has a line for each route, ``answers`` the shape of what it returns; the schemas of
requests and errors come from the layer's own types. ``make openapi`` writes ``docs/openapi.json``,
``docs/api.md``, and the copy that the archive function serves.
"""
