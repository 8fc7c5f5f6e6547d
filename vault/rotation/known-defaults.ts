/** A password that a maker sets on every machine of a kind, or that everybody tries first. */
export type KnownDefault = {
  /** Who logs in with it; null: whoever there is. */
  readonly login: string | null
  readonly secret: string
  readonly source: string
}

const usual = 'tried first by whoever looks for machines with default passwords'

/** Data, no secrets: each is in public. Another one is a line here, with where it is written. */
export const knownDefaults: readonly KnownDefault[] = [
  { login: null, secret: 'basisk', source: 'Siemens S7-300: CISA ICSA-11-223-01A' },
  { login: 'WinCCConnect', secret: '2WSXcder', source: 'Siemens WinCC: CVE-2010-2772' },
  { login: 'WinCCAdmin', secret: '2WSXcder', source: 'Siemens WinCC: CVE-2010-2772' },
  { login: 'Administrator', secret: '100', source: 'Siemens WinCC panels: CISA ICSA-12-030-01A' },
  { login: 'admin', secret: 'admin', source: 'Siemens SCALANCE: Web Based Management, factory setting' },
  { login: 'admin', secret: 'Detmold', source: 'Weidmüller u-remote: web server manual' },
  { login: 'admin', secret: 'moxa', source: 'Moxa switches and NPort: user manuals' },
  { login: 'admin', secret: 'private', source: 'Hirschmann and Phoenix Contact switches: user manuals' },
  { login: 'user', secret: 'public', source: 'Hirschmann switches: user manuals' },
  { login: 'USER', secret: 'USER', source: 'Schneider Modicon Ethernet modules: CISA ICSA-12-018-01' },
  { login: null, secret: '0000', source: 'Schneider MicroLogic trip units: user guide' },
  { login: null, secret: '1111', source: 'Schneider MicroLogic trip units: user guide' },
  { login: null, secret: '2222', source: 'Schneider MicroLogic trip units: user guide' },
  { login: null, secret: '3333', source: 'Schneider MicroLogic trip units: user guide' },
  { login: 'Administrator', secret: '1', source: 'Beckhoff industrial PCs: security guideline' },
  { login: null, secret: 'wago', source: 'WAGO controllers: manuals' },
  { login: 'administrator', secret: 'ml1400', source: 'Allen-Bradley MicroLogix 1400: user manual' },
  { login: 'root', secret: 'dbps', source: 'Digi device servers: user guides' },
  { login: null, secret: 'robotics', source: 'ABB robot controllers: operating manual' },
  { login: null, secret: '68kuka1secpw59', source: 'KUKA robot controllers: operating manual' },
  ...[
    ...['1234', '12345', '123456', '12345678', '123456789', '00000000', '11111111', 'password', 'Password1'],
    ...[
      'passw0rd',
      'P@ssw0rd',
      'changeme',
      'default',
      'letmein',
      'secret',
      'admin123',
      'root',
      'toor',
      'guest',
    ],
  ].map((secret): KnownDefault => ({ login: null, secret, source: usual })),
]
