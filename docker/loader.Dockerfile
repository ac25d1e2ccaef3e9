# The loader as an image: proves the parts and replaces the day in the target table.
#
#   docker build -f docker/loader.Dockerfile -t penstock-loader .
#
# It holds `staging/`, `databases/` and `loader/`, what uv.lock says of their extras, and nothing else of Penstock.
# Pipeline files and modules with transforms of your own belong into /pipelines, by a volume or an image on top of this.
FROM python:3.11-slim-bookworm AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
# Dependencies first: they change more seldom than the code, so their layer is cached.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-install-project --extra loader --extra postgres --extra mysql --extra otel
COPY README.md LICENSE ./
COPY staging/ staging/
COPY databases/ databases/
COPY loader/ loader/
RUN uv sync --locked --no-dev --no-editable --extra loader --extra postgres --extra mysql --extra otel
# The distribution names the commands of all jobs; those whose job is not here go.
RUN find .venv/bin -name 'penstock*' ! -name penstock-loader -delete

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home penstock
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONPATH=/pipelines PYTHONUNBUFFERED=1
WORKDIR /pipelines
USER 10001
ENTRYPOINT ["penstock-loader"]
