package oidc

import "testing"

// The JSON Web Signature examples of RFC 7515, appendix A.2 to A.4. They name no
// kid, so they test what follows the choice of a key.
func TestRFC7515Examples(t *testing.T) {
	t.Parallel()
	const claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	for _, tc := range []struct{ name, alg, jwk, header, payload, signature string }{
		{
			"A.2", "RS256",
			`{"kty":"RSA","kid":"k","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}`,
			"eyJhbGciOiJSUzI1NiJ9", claims,
			"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
		},
		{
			"A.3", "ES256",
			`{"kty":"EC","kid":"k","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
			"eyJhbGciOiJFUzI1NiJ9", claims,
			"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
		},
		{
			"A.4", "ES512",
			`{"kty":"EC","kid":"k","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}`,
			"eyJhbGciOiJFUzUxMiJ9", "UGF5bG9hZA",
			"AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
		},
	} {
		keys, err := parseJWKS([]byte(set(tc.jwk)))
		if err != nil {
			t.Fatal(err)
		}
		raw := tc.header + "." + tc.payload + "." + tc.signature
		if err := checkSignature(raw, header{Alg: tc.alg}, keys["k"]); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		altered := tc.header + "." + tc.payload[:5] + "A" + tc.payload[6:] + "." + tc.signature
		wantRefusal(t, checkSignature(altered, header{Alg: tc.alg}, keys["k"]), Signature, "", altered)
	}
}

// RFC 7515 A.1 (also RFC 7519 section 3.1) is signed by HMAC, RFC 7519 section
// 6.1 by nobody. Both parse; neither is accepted.
func TestRFC7519ExamplesAreRefused(t *testing.T) {
	t.Parallel()
	const claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	v := &Verifier{Now: atNoon}
	for alg, raw := range map[string]string{
		"HS256": "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + claims + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
		"none":  "eyJhbGciOiJub25lIn0." + claims + ".",
	} {
		u, err := ParseUnverified(raw)
		if err != nil || u.Issuer != "joe" {
			t.Errorf("%s: issuer %q, error %v", alg, u.Issuer, err)
		}
		_, err = v.Verify(t.Context(), goldenIssuer, raw)
		wantRefusal(t, err, Algorithm, alg, raw)
	}
}
