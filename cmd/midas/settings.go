package main

import (
	"fmt"
	"os"
	"strings"

	"midas"
)

// settings are the flags of the commands that open a server's store themselves.
type settings struct {
	Data   string `help:"Folder of the server. Default: ${data}" placeholder:"DIR" env:"MIDAS_DATA"`
	Store  string `help:"Store of all state: memory:, pebble:DIR, etcd://HOST:PORT,…/PREFIX or postgres://HOST/DATABASE. Default: pebble: with the folder store in the data folder." placeholder:"ENGINE:" env:"MIDAS_STORE"`
	Master string `help:"File with the master key, which seals the secrets in the store. Default: master.key in the data folder." name:"master-key" placeholder:"FILE" env:"MIDAS_MASTER_KEY_FILE"`
	Config string `help:"Configuration file (YAML); environment variables override it, and flags override them." placeholder:"FILE" env:"MIDAS_CONFIG"`

	Set []string `help:"Any setting of a configuration file, such as log.level=debug; repeatable." placeholder:"NAME=VALUE" sep:"none"`
}

// config reads the configuration file, and overrides it by the environment variables and the flags.
func (s settings) config() (cfg midas.Config, err error) {
	if s.Config != "" {
		if cfg, err = midas.ReadConfig(s.Config); err != nil {
			return cfg, err
		}
	}
	if err := cfg.FromEnvironment(os.Getenv); err != nil {
		return cfg, err
	}
	override(&cfg.Data, s.Data)
	override(&cfg.Store, s.Store)
	if s.Master != "" {
		cfg.MasterKey = midas.MasterKeyConfig{File: s.Master}
	}
	return cfg, s.assign(&cfg)
}

// assign sets the settings of --set. It comes after the flags with names of their own, whose values may be those of
// environment variables.
func (s settings) assign(cfg *midas.Config) error {
	for _, text := range s.Set {
		name, value, found := strings.Cut(text, "=")
		if !found {
			return fmt.Errorf("--set: %q is not NAME=VALUE", text)
		}
		if err := cfg.Set(name, value); err != nil {
			return fmt.Errorf("--set: %w", err)
		}
	}
	return nil
}

func override(field *string, flag string) {
	if flag != "" {
		*field = flag
	}
}
