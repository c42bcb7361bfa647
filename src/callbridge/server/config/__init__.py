"""What the process is told: settings and their check, the models that are known, the plan of every call.

pydantic-settings is used here and nowhere else, and nobody else reads the environment.
"""
