export { type AppOptions, type AppPorts, contentPath, makeApp } from './http/app.ts'
export { routes } from './routes/table.ts'
export { readTimestampConfig, requestTimestamp, type TimestampConfig } from './timestamp.ts'
