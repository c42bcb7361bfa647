# Stage 1 installs the package into an environment of its own; nothing but that leaves the stage.
FROM python:3.13.14-slim-trixie AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
# Without pip inside: the environment that serves calls cannot install anything.
RUN python -m venv --without-pip /opt/callbridge \
 && pip --python /opt/callbridge/bin/python install --no-cache-dir --constraint constraints.txt '.[postgres,encryption]'

# Stage 2 has python and the environment: no compiler, no installer, no source tree.
FROM python:3.13.14-slim-trixie
# And one directory that the service may write to. A volume that is mounted there must belong to 10001, too.
RUN pip uninstall --yes pip \
 && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/callbridge
COPY --from=build /opt/callbridge /opt/callbridge
# Unbuffered, so that a log line is out before a crash; no bytecode, so that a file system that is
# read-only but for the folder of the state will do. Its file has what was said in live calls, in plain text, until they
# are over, and records.db beside it what is kept of calls: both outlive a crash of the process, and a new container
# only on a volume. Set CALLBRIDGE_STATE_PATH to nothing to keep all in memory. Recordings as Opus and a bucket for them
# need the extras opus and s3 besides.
ENV PATH=/opt/callbridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CALLBRIDGE_STATE_PATH=/var/lib/callbridge/state.sqlite
# An agent of your own goes here (FROM this image, COPY my_agent.py ./), named by CALLBRIDGE_AGENT.
WORKDIR /app
# By number: some hosts refuse an image whose user they cannot tell from root.
USER 10001:10001
EXPOSE 8080
# No HEALTHCHECK: it would start a python interpreter beside live audio every few seconds, and the
# hosts that run this ask /readyz themselves.
# One process carries some 250 calls, on one core. For more cores: CALLBRIDGE_WORKERS, one each; `docker kill -s HUP`
# then replaces them one after the other.
# In exec form the process gets SIGTERM itself; a shell in between would swallow it. Live calls may go on for
# CALLBRIDGE_DRAIN_SECONDS after it: give the container a minute more (docker stop --time 300).
CMD ["callbridge", "serve"]
