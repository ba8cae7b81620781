package sts

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
)

const (
	// SealKeySize is the size of a Sealer's key in bytes (AES-256).
	SealKeySize = 32
	// MaxSessionToken bounds a session token in characters.
	MaxSessionToken = 8 << 10

	// sealPrefix names the format. A change to what is inside needs a new one,
	// but for an addition: those who do not know it refuse the token.
	sealPrefix = "eksauth1."
)

var (
	// ErrSessionToken says that a session token was not sealed by this key
	// for this access key, or is damaged.
	ErrSessionToken = errors.New("not a session token of this service")
	// ErrSessionTooLarge says that a session does not fit into a token.
	ErrSessionTooLarge = fmt.Errorf("session does not fit into a token of %d characters", MaxSessionToken)
)

// Session is what temporary credentials stand for. It does not hold their
// secret.
type Session struct {
	Identity arn.Identity
	// Role is the role behind a role session, with its path, which the
	// session's own ARN does not carry. Its Kind is 0 for other sessions.
	Role    arn.Principal
	Issued  time.Time // whole seconds
	Expires time.Time // whole seconds
	Chained bool      // the role was assumed with another session's credentials
	// SourceIdentity was set when the first session of the chain was made
	// and stays the same down the chain.
	SourceIdentity string
	Tags           []Tag
	// Federation is zero unless the session was made for a web identity.
	Federation Federation
	// Policy narrows what the session may do: a session policy without white
	// space; "" for none. It ends with this session, and passes to no other.
	Policy string
	// PolicyARNs are managed policies that narrow it likewise: what any of them
	// or Policy allows.
	PolicyARNs []string
	// User is the user who made a session that is no role's: the one whose
	// policies count. Its Kind is 0 for other sessions.
	User arn.Principal
}

// Tag is a session tag. A transitive one passes to the sessions that this
// session makes.
type Tag struct {
	Key, Value string
	Transitive bool
}

// Sealer puts sessions into session tokens and takes them out again. It keeps
// nothing: whoever has its key can open the tokens, after a restart too.
//
// A token is the format's prefix and, in base64, AES-256-GCM with a random
// nonce over the session; prefix and access key id are authenticated with it,
// so that a token is worth nothing with another access key.
type Sealer struct {
	aead cipher.AEAD
}

// NewSealer makes a Sealer of a secret key of SealKeySize bytes. One key is
// good for 2^32 tokens (NIST SP 800-38D, random nonces).
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != SealKeySize {
		return nil, fmt.Errorf("key for session tokens has %d bytes, want %d", len(key), SealKeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key for session tokens: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("key for session tokens: %w", err)
	}
	return &Sealer{aead}, nil
}

// sealed is what stands in a token, with short names because it travels in
// each request.
type sealed struct {
	Secret         string      `json:"k"`
	Principal      string      `json:"p"`
	UserID         string      `json:"u"`
	Role           string      `json:"r,omitempty"`
	Issued         int64       `json:"i"`
	Expires        int64       `json:"e"`
	Chained        bool        `json:"c,omitempty"`
	SourceIdentity string      `json:"s,omitempty"`
	Tags           []sealedTag `json:"t,omitempty"`
	Federation     *Federation `json:"f,omitempty"`
	// Policy is JSON inside JSON, so that it needs no escapes.
	Policy     json.RawMessage `json:"o,omitempty"`
	PolicyARNs []string        `json:"m,omitempty"`
	User       string          `json:"w,omitempty"`
}

type sealedTag struct {
	Key        string `json:"k"`
	Value      string `json:"v,omitempty"`
	Transitive bool   `json:"t,omitempty"`
}

// Seal makes the session token that belongs to the session's access key and
// secret. ErrSessionTooLarge is the only error of a well-formed session.
func (s *Sealer) Seal(session Session, secret string) (string, error) {
	in := sealed{
		Secret:         secret,
		Principal:      session.Identity.Principal.String(),
		UserID:         session.Identity.UserID,
		Issued:         session.Issued.Unix(),
		Expires:        session.Expires.Unix(),
		Chained:        session.Chained,
		SourceIdentity: session.SourceIdentity,
		Policy:         json.RawMessage(session.Policy),
		PolicyARNs:     session.PolicyARNs,
	}
	if session.Role.Kind != 0 {
		in.Role = session.Role.String()
	}
	if session.User.Kind != 0 {
		in.User = session.User.String()
	}
	for _, t := range session.Tags {
		in.Tags = append(in.Tags, sealedTag(t))
	}
	if session.Federation.Provider != "" {
		in.Federation = &session.Federation
	}
	plain, err := json.Marshal(in)
	if err != nil {
		return "", fmt.Errorf("seal session: %w", err)
	}
	box := s.aead.Seal(nil, nil, plain, additionalData(session.Identity.AccessKeyID))
	token := sealPrefix + base64.RawURLEncoding.EncodeToString(box)
	if len(token) > MaxSessionToken {
		return "", ErrSessionTooLarge
	}
	return token, nil
}

// Open takes a session and its secret out of the token that came with an
// access key. Errors are ErrSessionToken, and say no more to a stranger than
// that. An expired session opens like any other: look at Expires.
func (s *Sealer) Open(token, accessKeyID string) (session Session, secret string, err error) {
	encoded, ok := strings.CutPrefix(token, sealPrefix)
	// Package base64 skips line breaks, but a token has one spelling only.
	if !ok || len(token) > MaxSessionToken || strings.ContainsAny(encoded, "\r\n") {
		return Session{}, "", ErrSessionToken
	}
	box, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return Session{}, "", ErrSessionToken
	}
	plain, err := s.aead.Open(nil, nil, box, additionalData(accessKeyID))
	if err != nil {
		return Session{}, "", ErrSessionToken
	}
	var in sealed
	decoder := json.NewDecoder(bytes.NewReader(plain))
	// A token of a later version may hold a restriction unknown here.
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil || decoder.More() {
		return Session{}, "", ErrSessionToken
	}
	session, err = in.session(accessKeyID)
	if err != nil || in.Secret == "" {
		return Session{}, "", ErrSessionToken
	}
	return session, in.Secret, nil
}

func (in sealed) session(accessKeyID string) (Session, error) {
	principal, err := arn.ParsePrincipal(in.Principal)
	if err != nil {
		return Session{}, err
	}
	session := Session{
		Identity:       arn.Identity{Principal: principal, UserID: in.UserID, AccessKeyID: accessKeyID},
		Issued:         time.Unix(in.Issued, 0).UTC(),
		Expires:        time.Unix(in.Expires, 0).UTC(),
		Chained:        in.Chained,
		SourceIdentity: in.SourceIdentity,
		Policy:         string(in.Policy),
		PolicyARNs:     in.PolicyARNs,
	}
	if in.Role != "" {
		if session.Role, err = arn.ParsePrincipal(in.Role); err != nil {
			return Session{}, err
		}
	}
	if in.User != "" {
		if session.User, err = arn.ParsePrincipal(in.User); err != nil {
			return Session{}, err
		}
	}
	for _, t := range in.Tags {
		session.Tags = append(session.Tags, Tag(t))
	}
	if in.Federation != nil {
		session.Federation = *in.Federation
	}
	return session, nil
}

func additionalData(accessKeyID string) []byte { return []byte(sealPrefix + accessKeyID) }
