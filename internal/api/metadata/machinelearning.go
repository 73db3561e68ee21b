package metadata

import "midas/internal/host"

// machineLearning is the protocol of Azure Machine Learning. It is App Service's protocol of 2017 with another
// format of expires_on.
type machineLearning struct{ secret secret }

// NewMachineLearning serves the protocol of Azure Machine Learning to clients that send the secret.
func NewMachineLearning(c Config, known host.Secret) *Endpoint {
	return newEndpoint(c, machineLearning{newSecret(known)})
}

func (p machineLearning) serve(req *request) error {
	if !req.pathIs(pathMSI) {
		return errNotFound()
	}
	req.ev.Operation = "machinelearning/token"
	q, err := p.secret.query(req, appService2017)
	if err != nil {
		return err
	}
	t, err := req.token(q, selectorNames{client: []string{"clientid"}})
	if err != nil {
		return err
	}
	return req.send(newBody(t).
		text("access_token", string(t.Raw)).
		text("client_id", t.Principal.ClientID).
		quotedNumber("expires_on", t.Expires.Unix()).
		text("resource", t.Audience).
		text("token_type", "Bearer"))
}

func (p machineLearning) errorBody(req *request, f *fault) any { return appServiceError(req, f) }
