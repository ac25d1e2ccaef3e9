# The chain as an image: starts the jobs in their order and watches them. It has the `penstock` command.
#
#   docker build -f docker/chain.Dockerfile -t penstock-chain .
#
# It holds the jobs besides `staging/` and `chain/`: `penstock init` asks source and transform what the target is to be
# like, `penstock verify` is the loader's, and without a cloud the jobs run as processes beside the chain, by the emulator.
# Pipeline files and modules with transforms of your own belong into /pipelines, by a volume or an image on top of this.
FROM python:3.11-slim-bookworm AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
# Dependencies first: they change more seldom than the code, so their layer is cached.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-install-project --extra chain --extra postgres --extra mysql --extra otel --extra openlineage
COPY README.md LICENSE ./
COPY penstock/ penstock/
COPY staging/ staging/
COPY databases/ databases/
COPY exporter/ exporter/
COPY processor/ processor/
COPY loader/ loader/
COPY chain/ chain/
COPY jobs_emulator/ jobs_emulator/
RUN uv sync --locked --no-dev --no-editable --extra chain --extra postgres --extra mysql --extra otel --extra openlineage
# One command: whoever wants a job alone takes its image.
RUN find .venv/bin -name 'penstock*' ! -name penstock -delete

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home penstock
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONPATH=/pipelines PYTHONUNBUFFERED=1
WORKDIR /pipelines
USER 10001
ENTRYPOINT ["penstock"]
