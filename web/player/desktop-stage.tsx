import { desktopStaging } from './desktop-staging.tsx'
import type { Opened } from './opened.ts'
import { Stage, type Staging } from './stage.tsx'
import { SaveVideo } from './video.tsx'

const desktops: Staging = { ...desktopStaging, beside: (opened) => <SaveVideo opened={opened} /> }

/** The desktop of a recording, its controls, the time line and the marks. */
export default function DesktopStage(props: { readonly opened: Opened; readonly isLive: boolean }) {
  return <Stage {...props} staging={desktops} />
}
