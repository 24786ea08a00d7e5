# The host as a service; compose.yaml shows it with its workers and PostgreSQL.
#
#     docker build --tag openlane-authentik .
#     docker run --publish 127.0.0.1:8790:8790 --volume openlane-data:/data openlane-authentik
#
# The second line runs all of it in one process, on SQLite in the volume. The API token is in /data/api-token.

FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

WORKDIR /src
RUN python -m venv /opt/host
# What changes seldom comes first, so that most builds find it done.
COPY requirements-host.lock ./
RUN /opt/host/bin/pip install --require-hashes --only-binary :all: --requirement requirements-host.lock
COPY pyproject.toml README.md LICENSE ./
COPY openlane_authentik ./openlane_authentik
RUN /opt/host/bin/pip install --no-deps .


FROM python:3.11-slim-bookworm

LABEL org.opencontainers.image.title="openlane-authentik" \
      org.opencontainers.image.description="Directories of authentik, synced on a schedule, with their history" \
      org.opencontainers.image.licenses="Apache-2.0"

RUN groupadd --gid 10001 host \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin host \
    && install --directory --owner host --group host --mode 0700 /data

COPY --from=build /opt/host /opt/host

# Within a container loopback would reach nobody: who may knock is decided by how the port is published.
ENV PATH=/opt/host/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OPENLANE_HOST_DATA_DIR=/data \
    OPENLANE_HOST_LISTEN_HOST=0.0.0.0 \
    OPENLANE_HOST_LISTEN_PORT=8790

WORKDIR /data
VOLUME ["/data"]
EXPOSE 8790
USER 10001:10001
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['OPENLANE_HOST_LISTEN_PORT']), timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]

ENTRYPOINT ["openlane-authentik", "host"]
CMD ["serve"]
