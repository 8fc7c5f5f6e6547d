export function whatIsMissing(root: string): string | undefined
export function installDependencies(root: string): string | undefined
export function npmCommand(): readonly string[]
