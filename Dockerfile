# syntax=docker/dockerfile:1
# One static binary and nothing else: no shell, no package manager, no root.
#
#   docker build -t usso .
#   docker run -p 8000:8000 -v usso-data:/data usso

ARG RUST=1.95
FROM rust:${RUST}-bookworm AS build
WORKDIR /src
COPY . .
# The target is named, although it is the machine's own: otherwise the flags would reach build scripts and macros, which
# can't be static. Since version 2.34 glibc resolves names without loading a library.
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    target="$(rustc --print host-tuple)" \
    && cargo build --locked --profile dist --target "$target" \
    && install -D "target/$target/dist/usso" /image/usso \
    && install -d -m 0700 /image/data

FROM scratch
LABEL org.opencontainers.image.title="USSO" \
      org.opencontainers.image.description="Multi-tenant single sign-on in one binary" \
      org.opencontainers.image.licenses="Apache-2.0"
# For databases and mail servers reached over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /image/usso /usso
COPY --from=build --chown=65532:65532 /image/data /data
USER 65532:65532
# The one place that can be written to; the embedded database wants it for temporary files too.
WORKDIR /data
VOLUME /data
ENV HOST=0.0.0.0 DATA_DIR=/data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/usso", "health"]
ENTRYPOINT ["/usso"]
CMD ["serve"]
