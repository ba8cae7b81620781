package oidc

import "testing"

func benchmarkVerify(b *testing.B, token string) {
	v, raw := offline(b), string(golden(b, token))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), goldenIssuer, raw); err != nil {
			b.Fatal(err)
		}
	}
}

// The whole of Verify for a real token, its issuer's keys cached.
func BenchmarkVerifyRS256(b *testing.B) { benchmarkVerify(b, "token-rs256.jwt") }
func BenchmarkVerifyES256(b *testing.B) { benchmarkVerify(b, "token-es256.jwt") }

func benchmarkMint(b *testing.B, key string) {
	issuer := newSite(b, goldenKey(b, key)).Issuer
	for b.Loop() {
		if _, err := issuer.Mint(request()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMintRS256(b *testing.B) { benchmarkMint(b, "rsa.pem") }
func BenchmarkMintES256(b *testing.B) { benchmarkMint(b, "ec.pem") }
