# The image holds the wheel and what it runs with, nothing of the tree and no installer of ours. Kernels
# are compiled into it, for processors with AVX2 (x86-64-v3), so the first upload is as fast as any.
# Where images are kept, pin both bases by their digests: --build-arg BASE=python@sha256:…
# The one that builds is the same Python, with binutils.
ARG BUILD_BASE=python:3.11-bookworm
ARG BASE=python:3.11-slim-bookworm

FROM ${BUILD_BASE} AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    NUMBA_CACHE_DIR=/opt/kernels \
    NUMBA_CPU_NAME=haswell \
    NUMBA_CPU_FEATURES=+avx2,+avx,+sse4.2,+sse4.1,+ssse3,+sse3,+popcnt,+bmi,+bmi2,+lzcnt,+movbe,+fma,+f16c,+cx16,+fxsr,+mmx,+sse,+sse2,+x87,+cx8,+cmov
WORKDIR /build
COPY requirements/build.txt requirements/run.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --quiet --require-hashes -r requirements/build.txt \
 && python -m venv --without-pip /opt/nhi \
 && /opt/build/bin/pip --python /opt/nhi/bin/python install --quiet --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY schemas schemas
COPY rules rules
COPY pipeline pipeline
# Headers, sources and symbols are for who compiles or debugs, and Flight is a server of Arrow's.
# Libraries in .libs and numba's were patched when their wheels were made, and don't survive strip.
RUN /opt/build/bin/python -m build --wheel --no-isolation --outdir /opt/dist \
 && /opt/build/bin/pip --python /opt/nhi/bin/python install --quiet --no-deps /opt/dist/*.whl \
 && find /opt/nhi -type d \( -name tests -o -name include \) -prune -exec rm -rf {} + \
 && find /opt/nhi -type f \( -name '*.[ach]' -o -name '*.cc' -o -name '*.py[ix]' -o -name '*.px[di]' -o -path '*/pyarrow/*flight*' \) -delete \
 && find /opt/nhi -type f -name '*.so*' ! -path '*.libs/*' ! -path '*/numba/*' -exec strip --strip-unneeded {} +
WORKDIR /opt
RUN /opt/nhi/bin/python -c 'from pipeline.kernels import compile_all; compile_all()'

FROM ${BASE}
ENV PATH=/opt/nhi/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/opt/kernels \
    NUMBA_CPU_NAME=haswell \
    NUMBA_CPU_FEATURES=+avx2,+avx,+sse4.2,+sse4.1,+ssse3,+sse3,+popcnt,+bmi,+bmi2,+lzcnt,+movbe,+fma,+f16c,+cx16,+fxsr,+mmx,+sse,+sse2,+x87,+cx8,+cmov
COPY --from=build /opt/kernels /opt/kernels
COPY --from=build /opt/nhi /opt/nhi
RUN useradd --uid 10001 --no-create-home nhi \
 && mkdir /store /state \
 && chown nhi /store /state
USER 10001
WORKDIR /store
VOLUME /store
# 8080: serve; 9464: what Prometheus and probes ask of a worker.
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["nhi-upload"]
CMD ["--help"]
