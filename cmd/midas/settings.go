package main

import "midas"

// settings are the flags of the commands that open a server's store themselves.
type settings struct {
	Data   string `help:"Folder of the server. Default: ${data}" placeholder:"DIR" env:"MIDAS_DATA"`
	Store  string `help:"Store of all state: memory:, pebble:DIR, etcd://HOST:PORT,…/PREFIX or postgres://HOST/DATABASE. Default: pebble: with the folder store in the data folder." placeholder:"ENGINE:" env:"MIDAS_STORE"`
	Master string `help:"File with the master key, which seals the secrets in the store. Default: master.key in the data folder." name:"master-key" placeholder:"FILE" env:"MIDAS_MASTER_KEY_FILE"`
	Config string `help:"Configuration file (YAML); flags override it." placeholder:"FILE" env:"MIDAS_CONFIG"`
}

// config reads the configuration file and overrides its settings by the flags.
func (s settings) config() (cfg midas.Config, err error) {
	if s.Config != "" {
		if cfg, err = midas.ReadConfig(s.Config); err != nil {
			return cfg, err
		}
	}
	override(&cfg.Data, s.Data)
	override(&cfg.Store, s.Store)
	if s.Master != "" {
		cfg.MasterKey = midas.MasterKeyConfig{File: s.Master}
	}
	return cfg, nil
}

func override(field *string, flag string) {
	if flag != "" {
		*field = flag
	}
}
