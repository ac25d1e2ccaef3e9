# The Cloud Run jobs emulator as an image. It serves the loopback address alone, so whoever speaks to it shares its network:
#
#   docker build -f docker/emulator.Dockerfile -t penstock-jobs-emulator .
#   docker run --init --network host -v ./jobs:/jobs penstock-jobs-emulator serve --images /jobs/images.toml
#   docker run --network container:emulator your-tests        # or the containers of one pod
#
# It holds `jobs_emulator/`, what uv.lock says of its extra, and nothing else of Penstock. Jobs run as processes in this
# container: what they need belongs into /jobs, by a volume or an image on top of this. --init reaps what they leave behind.
FROM python:3.11-slim-bookworm AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
# Dependencies first: they change more seldom than the code, so their layer is cached.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-install-project --extra emulator
COPY README.md LICENSE ./
COPY jobs_emulator/ jobs_emulator/
RUN uv sync --locked --no-dev --no-editable --extra emulator
# The distribution names the commands of all jobs; those whose job is not here go.
RUN find .venv/bin -name 'penstock*' ! -name penstock-jobs-emulator -delete

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home penstock
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /jobs
USER 10001
ENTRYPOINT ["penstock-jobs-emulator"]
