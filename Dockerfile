# The image of eksauthd, for those who build with Docker. `make image` makes it without,
# and with the same digest on every machine.
FROM golang:1.26 AS build
WORKDIR /src
COPY . .
RUN mkdir /out \
 && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /out/ ./cmd/eksauthd \
 && go run -C hack/image . --roots /out/roots.pem

FROM scratch
# The authorities that STS and EC2 are trusted by.
COPY --from=build /out/roots.pem /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/eksauthd /eksauthd
USER 65532:65532
ENTRYPOINT ["/eksauthd"]
