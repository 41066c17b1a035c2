# ColourStream's controller, from the sources: pages, binary, image. Needs the
# two base images and the language registries, nothing else.
#   docker build -t colourstream .
# scripts/stages does the first two with the toolchains of this machine,
# scripts/image makes the last one from a binary that is here already.

FROM node:22.20.0-bookworm-slim AS pages
WORKDIR /source/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

# The toolchain of `rust-version` in Cargo.toml.
FROM rust:1.95.0-slim-bookworm AS binary
WORKDIR /source
COPY Cargo.toml Cargo.lock build.rs ./
# Named by the manifests; of them only the controller is built.
COPY benches benches
COPY tests tests
COPY templates templates
COPY src src
COPY --from=pages /source/web/dist web/dist
# As .cargo/config.toml has it, for whatever machine builds this.
RUN RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked \
        --bin colourstream --target "$(uname -m)-unknown-linux-gnu" \
    && mkdir -p /out/state \
    && cp target/*/release/colourstream /etc/ssl/certs/ca-certificates.crt /out/

FROM scratch
LABEL org.opencontainers.image.title="ColourStream" \
      org.opencontainers.image.description="One controller for a review room: graded picture, video call, one address" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="AGPL-3.0-or-later"
COPY --from=binary /out/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=binary /out/colourstream /colourstream
# A new volume takes its owner from here: so that any other user than root can
# be given with `--user 65532`. Root may write all the same.
COPY --from=binary --chown=65532:65532 /out/state /state
# Makes the folder: there is no shell to do it.
WORKDIR /tmp
WORKDIR /
# Declared as no VOLUME on purpose: a forgotten `-v` would be an anonymous one,
# and the next container would start with another, without rooms and keys. So it
# is an issue that says what to do.
ENV COLOURSTREAM_STATE=/state
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/colourstream", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/colourstream"]
CMD ["serve"]
