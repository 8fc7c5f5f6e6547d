/** A password that a maker sets on every machine of a kind, or that everybody tries first. */
export type KnownDefault = {
  /** Who logs in with it; null: whoever there is. */
  readonly login: string | null
  readonly secret: string
  /** Where anybody can read it: a manual, an advisory, a list that names its own sources. */
  readonly source: string
}

/** Lists that many others are made of. */
const scada = 'SecLists, Default-Credentials/scada-pass.csv (SCADA StrangeLove 1.0)'
const usual = 'SecLists, Common-Credentials/best1050.txt'

type Pair = readonly [login: string | null, secret: string]

function from(source: string, ...pairs: readonly Pair[]): readonly KnownDefault[] {
  return pairs.map(([login, secret]) => ({ login, secret, source }))
}

/** Data, no secrets: each was read where it says. Another one is a line here, with where it is written. */
export const knownDefaults: readonly KnownDefault[] = [
  ...from('Siemens S7-300 before 2009: CISA ICS-ALERT-11-204-01B; wired.com, August 2011', [
    'Basisk',
    'Basisk',
  ]),
  ...from('Siemens WinCC and PCS 7: CVE-2010-2772', ['WinCCConnect', '2WSXcder'], ['WinCCAdmin', '2WSXcder']),
  ...from(
    `Siemens WinCC 7: ${scada}, by toolswatch.org, February 2013`,
    ['winccd', 'winccpass'],
    ['wincce', 'winccpass'],
    ['DMUser', 'Data&Pass'],
  ),
  ...from(
    `Siemens SCALANCE: ${scada}, by BA_SCALANCE-X-200`,
    ['admin', 'admin'],
    ['user', 'user'],
    ['siemens', 'siemens'],
  ),
  ...from(`Siemens OZW772: ${scada}, by toolswatch.org, February 2013`, ['Administrator', 'Password']),
  ...from(
    `Schneider Modicon Ethernet modules: ${scada}, by the manuals of Quantum NOE 771 and TSX ETG 1000`,
    ['USER', 'USER'],
    ['ntpupdate', 'ntpupdate'],
    ['wsupgrade', 'wsupgrade'],
    ['qbf77101', 'hexakisoctahedron'],
  ),
  ...from(
    'Schneider M340 and Premium: ics-default-passwords.csv (github.com/arnaudsoullie); SecLists, ftp-betterdefaultpasslist.txt',
    ['sysdiag', 'factorycast@schneider'],
  ),
  ...from(
    'Schneider MicroLogic trip units: ComPacT NSX Modbus Communication, Password Management (productinfo.schneider-electric.com)',
    [null, '0000'],
    [null, '1111'],
    [null, '2222'],
    [null, '3333'],
  ),
  ...from(`Schneider EGX and ETG gateways: ${scada}, by PowerLogic EGX300 Users Guide`, [
    'Administrator',
    'Gateway',
  ]),
  ...from(
    `Hirschmann switches: ${scada}, by the installation guides of RS20, MACH and OCTOPUS`,
    ['admin', 'private'],
    ['user', 'public'],
  ),
  ...from(
    `Moxa AWK, ioLogik and IA240: ${scada}, by AWK-3131-RCC_UM_1e`,
    ['admin', 'root'],
    ['root', 'root'],
  ),
  ...from(
    `WAGO controllers: ${scada}, by m07500860 and q07580870`,
    ['admin', 'wago'],
    ['root', 'wago'],
    ['user', 'user00'],
    ['su', 'ko2003wa'],
    ['guest', 'guest'],
  ),
  ...from(`Allen-Bradley MicroLogix 1400: ${scada}, by 1766-UM002`, ['administrator', 'ml1400']),
  ...from(`Allen-Bradley MicroLogix 1100: ${scada}, by 1763-UM002`, ['administrator', 'ml1100']),
  ...from(`Allen-Bradley 1756-EN2TSC: ${scada}, by ENET-UM003`, ['Administrator', 'admin']),
  ...from(`Allen-Bradley 1734-AENT: ${scada}, by 1734-UM011`, ['admin', 'password']),
  ...from(`Digi device servers: ${scada}, by 90000565 and 90000300`, ['root', 'dbps']),
  ...from(`Westermo WeOS and MRD routers: ${scada}, by 6101-3201 and 6623-2266`, ['admin', 'westermo']),
  ...from(`eWON routers: ${scada}, by AUG-004`, ['adm', 'adm']),
  ...from(`Emerson DeltaV: ${scada}`, ['Administrator', 'deltav']),
  ...from(`Wonderware InTouch: ${scada}`, ['Administrator', 'Wonderware']),
  ...from(`Yokogawa CENTUM CS 3000: ${scada}`, ['CENTUM', 'CENTUM']),
  ...from(`Tridium NiagaraAX: ${scada}, by docJaceStartup`, ['tridium', 'niagara']),
  ...from(`Turck BL20: ${scada}, by D301173`, [null, 'password']),
  ...from('Mitsubishi MELSEC: SecLists, ftp-betterdefaultpasslist.txt', ['MELSEC', 'MELSEC']),
  ...from('ABB robot controllers: clients of Robot Web Services, as github.com/atmassey/abb-lib-rws', [
    'Default User',
    'robotics',
  ]),
  ...from('KUKA robot controllers: notes of users of the LBR iiwa (KukaUser), github.com/achuwilson', [
    null,
    '68kuka1secpw59',
  ]),
  ...from(
    usual,
    ...[
      ...['1234', '12345', '123456', '12345678', '123456789', '1234567890', '00000000', '11111111', '54321'],
      ...['password1', 'password123', 'passw0rd', 'passwd', 'changeme', 'default', 'letmein', 'secret'],
      ...['admin123', 'Admin', 'administrator', 'root123', 'guest', 'login', 'manager', 'service', 'system'],
      ...['supervisor', 'superuser', 'temp123', 'test', 'test123', 'welcome', 'welcome123', 'qwerty'],
    ].map((secret): Pair => [null, secret]),
  ),
]
