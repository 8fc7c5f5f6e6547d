/**
 * In the place of a pin: a person approved that who answers at the address cannot be told from anybody else. VNC, Telnet and
 * RDP with its own security have nothing that could be pinned.
 */
export const unverified = 'unverified'
