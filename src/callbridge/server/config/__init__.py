"""What the process is told: settings and their check, the models that are known, the plan of every call.

Nobody else reads the environment.
"""
