# The image holds the wheel and nothing of the tree; kernels are compiled into it, so the first
# upload is as fast as any. Built for processors with AVX2 (x86-64-v3).
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes -r requirements/dev.txt
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY schemas schemas
COPY rules rules
COPY pipeline pipeline
RUN python -m build --wheel --no-isolation --outdir /dist

FROM python:3.11-slim-bookworm
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/opt/kernels \
    NUMBA_CPU_NAME=haswell \
    NUMBA_CPU_FEATURES=+avx2,+avx,+sse4.2,+sse4.1,+ssse3,+sse3,+popcnt,+bmi,+bmi2,+lzcnt,+movbe,+fma,+f16c,+cx16,+fxsr,+mmx,+sse,+sse2,+x87,+cx8,+cmov
COPY requirements/run.txt /tmp/run.txt
COPY --from=build /dist/*.whl /tmp/
RUN pip install --no-cache-dir --require-hashes -r /tmp/run.txt \
 && pip install --no-cache-dir --no-deps /tmp/*.whl \
 && rm /tmp/*.whl /tmp/run.txt \
 && useradd --uid 10001 --no-create-home nhi \
 && mkdir /opt/kernels /store \
 && python -c 'from pipeline.kernels import compile_all; compile_all()' \
 && chown nhi /store
USER 10001
WORKDIR /store
VOLUME /store
ENTRYPOINT ["nhi-upload"]
CMD ["--help"]
