package iamapi

import (
	"cmp"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

func (c *call) createProvider() (result []element, err error) {
	p := awslocal.ProviderRecord{Account: c.account(), URL: c.required("Url", urlShape())}
	for _, id := range c.list("ClientIDList", clientIDShape()) {
		addClientID(&p, id)
	}
	p.Thumbprints = c.list("ThumbprintList", thumbprintShape())
	tags := c.tags()
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := awslocal.CheckIssuer(p.URL); err != nil {
		return nil, errInvalidInput("Invalid Open ID Connect Provider URL: %v", err)
	}
	c.requestTags(tags)
	if err := c.permit(p.ARN(c.partition())); err != nil {
		return nil, err
	}
	err = c.write(func(i *awslocal.IAM) error {
		if _, found, err := i.Providers().Get(p.URL); err != nil || found {
			return cmp.Or(err, errExists("Provider with url %s already exists.", p.URL))
		}
		q := c.h.Quotas.withDefaults()
		if err := room(i.Providers(), q.OIDCProviders, "OpenIdConnectProvidersPerAccount"); err != nil {
			return err
		}
		if err := checkProvider(p, q); err != nil {
			return err
		}
		if p.Tags, err = newTags(tags); err != nil {
			return err
		}
		p.Created = i.Now
		if p.Order, err = i.Providers().NextOrder(); err != nil {
			return err
		}
		result = append([]element{awsquery.E("OpenIDConnectProviderArn", p.ARN(i.Account.Partition))}, showTags(p.Tags)...)
		return i.Providers().Put(p.URL, p)
	})
	return result, err
}

// list takes NAME.member.N, each of the same shape.
func (c *call) list(name string, s awsquery.Shape) []string {
	values := c.Params.TakeList(name)
	for _, value := range values {
		c.invalid.Text(strings.ToLower(name[:1])+name[1:]+".member", value, s)
	}
	return values
}

func checkProvider(p awslocal.ProviderRecord, q Quotas) error {
	switch {
	case len(p.ClientIDs) > q.ClientIDs:
		return errLimit("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", q.ClientIDs)
	case len(p.Thumbprints) > q.Thumbprints:
		return errInvalidInput("Thumbprint list must contain fewer than %d entries.", q.Thumbprints+1)
	}
	for _, thumbprint := range p.Thumbprints {
		if strings.Trim(thumbprint, "0123456789abcdefABCDEF") != "" {
			return errInvalidInput("Thumbprint %s is not 40 hexadecimal digits.", thumbprint)
		}
	}
	return nil
}

// findProvider finds a provider by its ARN: one that stands for itself, or the
// issuer of a cluster.
func findProvider(i *awslocal.IAM, providerARN string) (awslocal.ProviderRecord, error) {
	all, err := allProviders(i)
	for _, p := range all {
		if p.ARN(i.Account.Partition) == providerARN {
			return p, nil
		}
	}
	if err == nil {
		err = errNoSuch("OpenIDConnect Provider not found for arn %s", providerARN)
	}
	return awslocal.ProviderRecord{}, err
}

func allProviders(i *awslocal.IAM) ([]awslocal.ProviderRecord, error) {
	all, err := i.Providers().All()
	if err != nil {
		return nil, err
	}
	clusters, err := i.ClusterIssuers()
	all = append(all, clusters...)
	slices.SortFunc(all, func(a, b awslocal.ProviderRecord) int { return cmp.Compare(a.URL, b.URL) })
	return all, err
}

// onProvider calls f with the provider that OpenIDConnectProviderArn names, for
// a caller who may.
func (c *call) onProvider(transaction func(func(*awslocal.IAM) error) error, f func(i *awslocal.IAM, p awslocal.ProviderRecord) error) error {
	providerARN := c.required("OpenIDConnectProviderArn", arnShape())
	if err := c.ready(); err != nil {
		return err
	}
	err := c.read(func(i *awslocal.IAM) error {
		if p, err := findProvider(i, providerARN); err == nil {
			c.resourceTags(p.Tags)
		}
		return nil // whether it is there is told to those who may know
	})
	if err != nil {
		return err
	}
	if err := c.permit(providerARN); err != nil {
		return err
	}
	return transaction(func(i *awslocal.IAM) error {
		p, err := findProvider(i, providerARN)
		if err != nil {
			return err
		}
		return f(i, p)
	})
}

// changeProvider keeps what f has changed. The issuer of a cluster gets a record
// of its own by that.
func (c *call) changeProvider(f func(p *awslocal.ProviderRecord) error) error {
	return c.onProvider(c.write, func(i *awslocal.IAM, p awslocal.ProviderRecord) error {
		p.ClientIDs, p.Tags = slices.Clone(p.ClientIDs), slices.Clone(p.Tags)
		if err := f(&p); err != nil {
			return err
		}
		if err := checkProvider(p, c.h.Quotas.withDefaults()); err != nil {
			return err
		}
		return i.Providers().Put(p.URL, p)
	})
}

func (c *call) getProvider() (result []element, err error) {
	err = c.onProvider(c.read, func(_ *awslocal.IAM, p awslocal.ProviderRecord) error {
		result = append([]element{
			awsquery.E("Url", strings.TrimPrefix(p.URL, "https://")), // so IAM answers
			awsquery.E("ClientIDList", texts(p.ClientIDs)),
			awsquery.E("ThumbprintList", texts(p.Thumbprints)),
			awsquery.E("CreateDate", p.Created),
		}, showTags(p.Tags)...)
		return nil
	})
	return result, err
}

func texts(values []string) awsquery.List {
	list := awsquery.List{}
	for _, v := range values {
		list = append(list, v)
	}
	return list
}

func (c *call) listProviders() (result []element, err error) {
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := c.permit(c.arn("oidc-provider/*")); err != nil {
		return nil, err
	}
	err = c.read(func(i *awslocal.IAM) error {
		all, err := allProviders(i)
		list := awsquery.List{}
		for _, p := range all {
			list = append(list, []element{awsquery.E("Arn", p.ARN(i.Account.Partition))})
		}
		result = []element{awsquery.E("OpenIDConnectProviderList", list)}
		return err
	})
	return result, err
}

func (c *call) deleteProvider() ([]element, error) {
	return nil, c.onProvider(c.write, func(i *awslocal.IAM, p awslocal.ProviderRecord) error {
		if err := i.UnregisterIssuer(p.URL); err != nil { // or it would be there again
			return err
		}
		return i.Providers().Delete(p.URL)
	})
}

func (c *call) addClientID() ([]element, error) {
	id := c.required("ClientID", clientIDShape())
	return nil, c.changeProvider(func(p *awslocal.ProviderRecord) error {
		addClientID(p, id)
		return nil
	})
}

// addClientID adds what is not there already.
func addClientID(p *awslocal.ProviderRecord, id string) {
	if !slices.Contains(p.ClientIDs, id) {
		p.ClientIDs = append(p.ClientIDs, id)
	}
}

func (c *call) removeClientID() ([]element, error) {
	id := c.required("ClientID", clientIDShape())
	return nil, c.changeProvider(func(p *awslocal.ProviderRecord) error {
		p.ClientIDs = slices.DeleteFunc(p.ClientIDs, func(other string) bool { return other == id })
		return nil
	})
}

func (c *call) updateThumbprints() ([]element, error) {
	thumbprints := c.list("ThumbprintList", thumbprintShape())
	return nil, c.changeProvider(func(p *awslocal.ProviderRecord) error {
		p.Thumbprints = thumbprints
		return nil
	})
}

func (c *call) tagProvider() ([]element, error) {
	tags := c.tags()
	c.requestTags(tags)
	return nil, c.changeProvider(func(p *awslocal.ProviderRecord) error { return addTags(&p.Tags, tags) })
}

func (c *call) untagProvider() ([]element, error) {
	keys := c.invalid.TagKeys(c.Params, "TagKeys")
	c.facts.Set("aws:TagKeys", keys...)
	return nil, c.changeProvider(func(p *awslocal.ProviderRecord) error {
		removeTags(&p.Tags, keys)
		return nil
	})
}

func (c *call) listProviderTags() (result []element, err error) {
	w := c.window()
	err = c.onProvider(c.read, func(_ *awslocal.IAM, p awslocal.ProviderRecord) error {
		result = pageOfTags(w, p.Tags)
		return nil
	})
	return result, err
}
