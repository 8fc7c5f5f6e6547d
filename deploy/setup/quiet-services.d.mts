export function withoutServices<T>(install: () => T): T
