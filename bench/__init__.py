"""The benchmark: what a bridge costs, and what it adds, measured from outside by a load generator in C.

`python -m bench` from the root of the repository. README.md says what is measured and why it is fair. Not
part of the package: nothing in `src/` may import from here.
"""
