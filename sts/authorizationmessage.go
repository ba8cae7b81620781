package sts

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
)

// messagePrefix names the format of encoded authorization messages.
const messagePrefix = "eksauth-message1."

// maxMessage bounds an encoded message in characters.
//
// Source: botocore's model of STS (EncodedMessage).
const maxMessage = 10240

// authorizationMessage is what a decoded message says.
//
// Source: "DecodeAuthorizationMessage" in the AWS STS API reference.
type authorizationMessage struct {
	Allowed           bool         `json:"allowed"`
	ExplicitDeny      bool         `json:"explicitDeny"`
	MatchedStatements messageItems `json:"matchedStatements"`
	Failures          messageItems `json:"failures"`
	Context           struct {
		Principal struct {
			ID  string `json:"id"`
			ARN string `json:"arn"`
		} `json:"principal"`
		Action     string       `json:"action"`
		Resource   string       `json:"resource"`
		Conditions messageItems `json:"conditions"`
	} `json:"context"`
	// Reasons is not in AWS's: why, in words.
	Reasons string `json:"reasons"`
}

type messageItems struct {
	Items []map[string]any `json:"items"`
}

// EncodeRefusal seals why a request was refused, for DecodeAuthorizationMessage.
// Those who may not call that learn nothing from it.
func (a *Authenticator) EncodeRefusal(c Caller, action, resource string, p Permission) string {
	var m authorizationMessage
	m.ExplicitDeny = p.Denied()
	m.MatchedStatements.Items, m.Failures.Items = []map[string]any{}, []map[string]any{}
	m.Context.Principal.ID, m.Context.Principal.ARN = c.UserID(), c.Identity.Principal.String()
	m.Context.Action, m.Context.Resource = action, resource
	m.Context.Conditions.Items = []map[string]any{}
	for _, r := range p.all().Reasons() {
		if r.Applies && r.Effect == iam.Deny {
			m.MatchedStatements.Items = append(m.MatchedStatements.Items, map[string]any{"statementId": r.Sid, "effect": "DENY", "policy": r.Policy})
		}
	}
	m.Reasons = p.String()
	plain, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	message := messagePrefix + base64.RawURLEncoding.EncodeToString(a.Sessions.aead.Seal(nil, nil, plain, []byte(messagePrefix+c.Identity.AccountID)))
	if len(message) > maxMessage {
		return ""
	}
	return message
}

// decodeAuthorizationMessage tells somebody of the account why a request was
// refused.
func (h *Handler) decodeAuthorizationMessage(ctx context.Context, q *request) ([]element, error) {
	var v awsquery.Violations
	message := v.Required(q.Params, "EncodedMessage", awsquery.Shape{Min: 1, Max: maxMessage, Allowed: func(r rune) bool { return '!' <= r && r <= '~' }, Pattern: `[\S]+`})
	if err := v.Err(); err != nil {
		return nil, err
	}
	if err := refuseRest(q.Params); err != nil {
		return nil, err
	}
	if err := h.Auth.Authorize(ctx, q.caller, "sts:DecodeAuthorizationMessage", "*", q.caller.Context(q.HTTP, q.at)); err != nil {
		return nil, err
	}
	encoded, ok := strings.CutPrefix(message, messagePrefix)
	box, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil {
		return nil, errMessage()
	}
	plain, err := h.Auth.Sessions.aead.Open(nil, nil, box, []byte(messagePrefix+q.caller.Identity.AccountID))
	if err != nil {
		return nil, errMessage()
	}
	return []element{awsquery.E("DecodedMessage", string(plain))}, nil
}

func errMessage() *Error {
	return &Error{Code: "InvalidAuthorizationMessageException", Status: http.StatusBadRequest, Message: "Message is not valid"}
}

// IsUserSession says that credentials are of a user's session, with which AWS lets
// nobody call IAM.
func (c Caller) IsUserSession() bool { return c.Session != nil && c.Session.User.Kind == arn.User }
