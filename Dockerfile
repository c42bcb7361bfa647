# Stage 1 installs the package into an environment of its own; nothing but that leaves the stage.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
# Without pip inside: the environment that serves calls cannot install anything.
RUN python -m venv --without-pip /opt/callbridge \
 && pip --python /opt/callbridge/bin/python install --no-cache-dir .

# Stage 2 has python and the environment: no compiler, no installer, no source tree.
FROM python:3.13-slim
RUN pip uninstall --yes pip
COPY --from=build /opt/callbridge /opt/callbridge
# Unbuffered, so that a log line is out before a crash; no bytecode, so that a read-only file system
# will do.
ENV PATH=/opt/callbridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# An agent of your own goes here (FROM this image, COPY my_agent.py ./), named by AGENT.
WORKDIR /app
# By number: some hosts refuse an image whose user they cannot tell from root.
USER 10001:10001
EXPOSE 8080
# No HEALTHCHECK: it would start a python interpreter beside live audio every few seconds, and the
# hosts that run this ask /readyz themselves.
# In exec form the process gets SIGTERM itself; a shell in between would swallow it.
CMD ["callbridge", "serve"]
