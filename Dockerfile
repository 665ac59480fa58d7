# An image with two static binaries, the daemon and its render worker, the certificates of public authorities, and nothing else.
FROM rust:1.95-alpine AS build
# Alpine's target is musl, and its binaries are static. The C compiler is for libraries that hold C.
RUN apk add --no-cache build-base ca-certificates
WORKDIR /src
COPY . .
ARG COMMIT=""
RUN DRIFTLESS_COMMIT="$COMMIT" cargo build --locked --release --package driftless

FROM golang:1.26-alpine AS worker
WORKDIR /src
COPY crates/manifest-render/worker .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /driftless-render-worker .

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/driftless /usr/local/bin/driftless
COPY --from=worker /driftless-render-worker /usr/local/bin/driftless-render-worker
USER 65532:65532
# API and page on loopback; metrics, /healthz and /readyz.
EXPOSE 8080 8082
ENTRYPOINT ["/usr/local/bin/driftless"]
CMD ["controller"]
