# syntax=docker/dockerfile:1
# irquant as a command, in a slim image without compilers, as a user without rights:
#   docker build -t irquant .
#   docker run --rm --network none -v "$PWD:/work" --user "$(id -u):$(id -g)" irquant quantize model.xml --data photos
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/irquant \
    && /opt/irquant/bin/pip install --no-cache-dir '.[video]'

FROM python:${PYTHON}-slim
COPY --from=build /opt/irquant /opt/irquant
ENV PATH=/opt/irquant/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["irquant"]
CMD ["--help"]
