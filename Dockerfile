# The image of every role of Kayal. "node scripts/image.mjs" builds it without a registry; docs/image.md.
ARG BASE=docker.io/library/debian:trixie-slim

# npm, the bundler and all that they need stay in this stage.
FROM ${BASE} AS build
RUN apt-get update && apt-get install -q -y --no-install-recommends ca-certificates npm
WORKDIR /src
COPY package.json package-lock.json ./
# The secret holds certificate authorities for a build behind a proxy that opens TLS; it is not needed elsewhere.
RUN --mount=type=secret,id=certificates export NODE_EXTRA_CA_CERTS=/run/secrets/certificates && \
    npm ci --include=dev --ignore-scripts --no-audit --no-fund
ARG NODE_VERSION=24.21.0
# Node.js' own binary, as nodejs.org publishes it; Debian trixie has Node.js 20.
RUN --mount=type=secret,id=certificates export NODE_EXTRA_CA_CERTS=/run/secrets/certificates && \
    case "$(dpkg --print-architecture)" in amd64) cpu=x64 ;; arm64) cpu=arm64 ;; *) exit 1 ;; esac && \
    npm install --prefix /node --ignore-scripts --no-audit --no-fund "node-linux-$cpu@$NODE_VERSION" && \
    install -D "/node/node_modules/node-linux-$cpu/bin/node" /out/usr/local/bin/node
COPY LICENSE ./
COPY scripts/build.mjs scripts/
COPY src src
# koffi is the only package that is not in the bundle: its native part is a file of its own.
RUN node scripts/build.mjs && \
    install -D -m 0644 -t /out/usr/lib/kayal package.json LICENSE && \
    install -D -m 0755 -t /out/usr/lib/kayal/dist dist/*.js && \
    mkdir /out/usr/lib/kayal/node_modules && \
    cp -r node_modules/koffi node_modules/@koromix /out/usr/lib/kayal/node_modules && \
    cd /out/usr/lib/kayal/node_modules && rm -r koffi/doc koffi/lib koffi/vendor koffi/cnoke.cjs @koromix/*/musl_* && \
    find koffi/src -type f ! -name '*.js' ! -name '*.cjs' -delete && find koffi/src -type d -empty -delete && \
    ln -s ../../lib/kayal/dist/kayal.js /out/usr/local/bin/kayal

FROM ${BASE}
# glusterfs-server has the bricks' part (kayal all); mkfs and mount helpers for their file systems come with e2fsprogs and xfsprogs.
RUN apt-get update && \
    apt-get install -q -y --no-install-recommends e2fsprogs glusterfs-client glusterfs-server tini xfsprogs && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig /var/log/apt /var/log/dpkg.log /etc/machine-id
COPY --from=build /out /
# Half of the memory under load (docs/decisions): short-lived garbage is collected sooner. And glibc's malloc keeps what was freed
# in one arena for each of many threads: two are enough for threads that mostly wait. No GlusterFS process gets either.
ENV NODE_OPTIONS=--max-semi-space-size=4 MALLOC_ARENA_MAX=2
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="Kayal" \
      org.opencontainers.image.description="CSI driver for quota-limited shared volumes carved out of GlusterFS pools" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="docker.io/library/debian:trixie-slim"
# GlusterFS' processes outlive the one that started them, so somebody has to collect them; -s also where tini is not process 1 (hostPID).
ENTRYPOINT ["tini", "-s", "--", "kayal"]
CMD ["--help"]
