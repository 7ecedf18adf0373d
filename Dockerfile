# One image for every process of ours: Airflow's, the Celery workers, Flower, the sandbox and the init steps.
# Behind a mirror: --build-arg INDEX_URL=…; behind a private certificate authority: --secret id=ca,src=FILE; a mirror
# that asks for a password: --secret id=netrc,src=FILE (secrets stay out of the image and of its history).
ARG BASE_IMAGE=python:3.13-slim-trixie

FROM ${BASE_IMAGE} AS dependencies
ARG INDEX_URL=
# uv copies: its cache is another file system; it compiles now: a read-only container cannot do it later.
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv --without-pip /opt/venv && python3 -m venv /opt/installer
WORKDIR /build
COPY requirements-uv.lock requirements.lock ./
RUN --mount=type=cache,target=/root/.cache \
    --mount=type=secret,id=ca,target=/run/build/ca.pem \
    --mount=type=secret,id=netrc,target=/root/.netrc \
    if [ -n "$INDEX_URL" ]; then export PIP_INDEX_URL="$INDEX_URL" UV_DEFAULT_INDEX="$INDEX_URL"; fi; \
    if [ -s /run/build/ca.pem ]; then export PIP_CERT=/run/build/ca.pem SSL_CERT_FILE=/run/build/ca.pem; fi; \
    /opt/installer/bin/pip install --quiet --require-hashes --only-binary=:all: -r requirements-uv.lock \
 && /opt/installer/bin/uv pip install --quiet --require-hashes --no-build --python /opt/venv/bin/python -r requirements.lock

FROM ${BASE_IMAGE} AS code
WORKDIR /opt/pipeline
COPY config config
COPY common common
COPY sandbox sandbox
COPY workers workers
COPY monitoring monitoring
COPY dags dags
COPY plugins plugins
RUN python3 -m compileall -q . && chmod -R go-w,a+rX .

FROM ${BASE_IMAGE}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="stock-data-pipeline" \
      org.opencontainers.image.description="Stock quotes into PostgreSQL, with Airflow, Celery and one quota for all workers" \
      org.opencontainers.image.licenses="MIT"
# The folders are there, and belong to the user, so that volumes mounted on them do too.
RUN useradd --uid 50000 --gid 0 --no-create-home --home-dir /var/lib/airflow --shell /usr/sbin/nologin airflow \
 && install -d -o 50000 -g 0 -m 0770 /var/lib/airflow /var/lib/flower /var/log/airflow \
      /run/pipeline/postgres /run/pipeline/redis /run/pipeline/airflow /run/pipeline/api /run/pipeline/market \
      /run/pipeline/alerts /run/pipeline/init /run/pipeline/page /run/pipeline/flower /run/pipeline/monitor /run/pipeline/grafana /run/pipeline/tls
ENV PATH=/opt/venv/bin:/opt/pipeline/config/container:$PATH \
    PYTHONPATH=/opt/pipeline \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    AIRFLOW_HOME=/var/lib/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/pipeline/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/var/lib/airflow/plugins \
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=/var/log/airflow
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=code /opt/pipeline /opt/pipeline
WORKDIR /opt/pipeline
# Its primary group is 0: what group 0 may read or write serves any other uid too.
USER 50000
ENTRYPOINT ["entrypoint"]
CMD ["airflow", "version"]
# Asked often, so that a start is seen at once; once all is well the check itself takes its time (see there).
HEALTHCHECK --interval=4s --timeout=75s --start-period=120s --retries=3 CMD ["healthy"]
# Last, since they change with every commit.
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
