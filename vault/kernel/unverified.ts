/**
 * In the place of a pin: a person approved that who answers at the address cannot be told from anybody else. VNC has
 * nothing that could be pinned.
 */
export const unverified = 'unverified'
