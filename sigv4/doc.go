// Package sigv4 is AWS Signature Version 4: it signs requests, presigns URLs,
// and verifies both, the way AWS itself does on the other side.
//
// [Sign] puts a signature into a request's headers, [Presign] into a URL.
// [ParseSignature] takes either one out of a request that a server received;
// [Signature.Verify] then says whether the holder of a secret key signed exactly
// that request, and [Signature.CheckTime] whether that was recent enough. Only
// the two together prove anything. Who the holder is, and what they may do, is
// the caller's business.
//
// # What a good signature covers
//
// The method, the normalised path, the query, the body (through its hash), the
// host and every header in SignedHeaders; every x-amz-* header must be there.
// Other headers are anybody's. Two requests with the same canonical form are the
// same to a signature, so a server must not tell them apart: "/a/../b" and "//b"
// are "/b" (not so for S3), and "?a" is "?a=". What [net/url] would drop from a
// query without a word, a broken escape or a raw ';', is refused here; a '+' is
// the space that [net/url] makes of it.
//
// # Left out
//
// Chunked (STREAMING-…) payloads, the asymmetric SigV4A, and the Date header in
// place of X-Amz-Date, which no SDK uses by itself.
//
// Source: "AWS Signature Version 4 for API requests" in the IAM user guide.
//
// The package imports the standard library only.
package sigv4
