package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// otlpClient sends spans by OTLP over HTTP, in protobuf. OpenTelemetry's own client
// brings gRPC along, which doubles this program: 43 MiB for one POST.
//
// Source: "OTLP/HTTP" in OpenTelemetry's protocol specification.
type otlpClient struct {
	url     string
	headers http.Header
	client  http.Client
}

const exportTimeout = 10 * time.Second // the specification's

func newOTLPClient(url string, headers http.Header) *otlpClient {
	c := &otlpClient{url: url, headers: headers}
	// Its headers are for this collector and nobody else.
	c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// headersOf reads the headers that collectors want, for authentication mostly.
func headersOf(getenv func(string) string) http.Header {
	list := getenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS")
	if list == "" {
		list = getenv("OTEL_EXPORTER_OTLP_HEADERS")
	}
	headers := http.Header{}
	for pair := range strings.SplitSeq(list, ",") {
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); ok && err == nil && name != "" {
			headers.Add(name, value)
		}
	}
	return headers
}

// Start makes it an otlptrace.Client, with Stop and UploadTraces.
func (c *otlpClient) Start(context.Context) error { return nil }

// Stop closes its connections.
func (c *otlpClient) Stop(context.Context) error {
	c.client.CloseIdleConnections()
	return nil
}

// UploadTraces sends spans once. What nobody takes is lost.
func (c *otlpClient) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// On the wire an ExportTraceServiceRequest is a TracesData.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = c.headers.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the collector of traces answers HTTP %d", resp.StatusCode)
	}
	return nil
}
