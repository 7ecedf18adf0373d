"""A stand-in for Alpha Vantage over HTTP: the same payloads and refusals, quotas really enforced, faults on demand.

It ships with the product: it serves where there is no API key, and it is the judge of the tests and benchmarks. So it
imports nothing of ``common`` or ``workers``: what it believes of the API it states itself. README.md beside this file
says how to provoke each case.
"""
