"""Being here, this file makes pytest put its folder on the import path.

So the tests in `kernels/` can import `reference` and `helpers` as the tests beside
this file do.
"""
