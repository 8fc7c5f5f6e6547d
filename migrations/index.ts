import type { Migration } from 'kysely/migration'
import * as m0001 from './0001_an_installation_has_one_root_key.ts'
import * as m0002 from './0002_a_secret_lies_under_its_own_key.ts'
import * as m0003 from './0003_a_guarded_row_is_what_the_vault_last_wrote.ts'
import * as m0004 from './0004_what_happened_is_never_changed.ts'
import * as m0010 from './0010_a_user_proves_who_they_are.ts'
import * as m0011 from './0011_an_account_is_bound_to_its_target.ts'
import * as m0012 from './0012_a_lease_has_one_holder.ts'
import * as m0013 from './0013_a_key_can_be_exchanged.ts'
import * as m0015 from './0015_an_old_machine_is_excused_for_a_time.ts'
import * as m0016 from './0016_a_session_is_held_while_it_lives.ts'
import * as m0017 from './0017_a_grant_lists_where_forwarding_may_go.ts'
import * as m0019 from './0019_an_account_names_how_it_is_elevated.ts'
import * as m0020 from './0020_a_browser_session_belongs_to_a_login.ts'
import * as m0023 from './0023_a_safe_says_whether_a_watch_is_told.ts'
import * as m0024 from './0024_a_request_is_approved_by_others.ts'
import * as m0025 from './0025_a_user_has_a_mail_address.ts'
import * as m0026 from './0026_a_policy_says_who_may_under_which_conditions.ts'
import * as m0027 from './0027_a_notification_waits_to_be_sent.ts'
import * as m0028 from './0028_a_representative_speaks_for_a_company.ts'
import * as m0029 from './0029_a_lost_second_factor_has_stand_ins.ts'
import * as m0030 from './0030_a_plant_switch_holds_its_safes.ts'
import * as m0031 from './0031_a_passkey_proves_a_user.ts'
import * as m0032 from './0032_somebody_breaks_the_glass.ts'
import * as m0034 from './0034_a_service_has_tokens.ts'
import * as m0036 from './0036_a_policy_is_changed_by_two.ts'
import * as m0037 from './0037_people_wait_for_an_account.ts'
import * as m0039 from './0039_an_entry_is_found_by_machine_and_person.ts'
import * as m0040 from './0040_a_directory_knows_users.ts'
import * as m0041 from './0041_an_exposure_is_due.ts'
import * as m0042 from './0042_a_grant_gets_more_time.ts'
import * as m0043 from './0043_a_session_is_closed_out.ts'
import * as m0044 from './0044_a_policy_asked_for_is_followed.ts'
import * as m0045 from './0045_two_users_are_one_person.ts'
import * as m0046 from './0046_a_desktop_is_logged_in_to.ts'
import * as m0049 from './0049_a_secret_is_typed_into_a_desktop.ts'
import * as m0051 from './0051_a_credential_is_rotated.ts'
import * as m0056 from './0056_a_region_of_a_screen_is_not_recorded.ts'
import * as m0060 from './0060_a_safe_has_an_emergency_kit.ts'
import * as m0064 from './0064_an_account_is_changed_through_another.ts'
import * as m0065 from './0065_people_change_what_no_machine_can.ts'
import * as m0066 from './0066_a_secret_is_kept_in_two_places.ts'
import * as m0068 from './0068_files_go_beside_a_desktop.ts'
import * as m0069 from './0069_a_recipe_says_how_a_machine_is_told.ts'
import * as m0070 from './0070_a_recording_is_found_and_reviewed.ts'
import * as m0072 from './0072_the_log_is_sent_on.ts'
import * as m0077 from './0077_recordings_are_kept_for_a_time.ts'
import * as m0078 from './0078_a_recording_is_destroyed_by_two.ts'
import * as m0081 from './0081_what_is_out_of_the_ordinary_is_marked.ts'
import * as m0082 from './0082_rotations_have_a_rate.ts'
import * as m0085 from './0085_files_of_a_session_have_a_bound.ts'
import * as m0087 from './0087_an_auditor_notes_what_they_saw.ts'
import * as m0088 from './0088_people_say_who_still_needs_what.ts'

/** All migrations by file name, in order. A new one is a file and two lines here, and never a change of an old one. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001_an_installation_has_one_root_key': m0001,
  '0002_a_secret_lies_under_its_own_key': m0002,
  '0003_a_guarded_row_is_what_the_vault_last_wrote': m0003,
  '0004_what_happened_is_never_changed': m0004,
  '0010_a_user_proves_who_they_are': m0010,
  '0011_an_account_is_bound_to_its_target': m0011,
  '0012_a_lease_has_one_holder': m0012,
  '0013_a_key_can_be_exchanged': m0013,
  '0015_an_old_machine_is_excused_for_a_time': m0015,
  '0016_a_session_is_held_while_it_lives': m0016,
  '0017_a_grant_lists_where_forwarding_may_go': m0017,
  '0019_an_account_names_how_it_is_elevated': m0019,
  '0020_a_browser_session_belongs_to_a_login': m0020,
  '0023_a_safe_says_whether_a_watch_is_told': m0023,
  '0024_a_request_is_approved_by_others': m0024,
  '0025_a_user_has_a_mail_address': m0025,
  '0026_a_policy_says_who_may_under_which_conditions': m0026,
  '0027_a_notification_waits_to_be_sent': m0027,
  '0028_a_representative_speaks_for_a_company': m0028,
  '0029_a_lost_second_factor_has_stand_ins': m0029,
  '0030_a_plant_switch_holds_its_safes': m0030,
  '0031_a_passkey_proves_a_user': m0031,
  '0032_somebody_breaks_the_glass': m0032,
  '0034_a_service_has_tokens': m0034,
  '0036_a_policy_is_changed_by_two': m0036,
  '0037_people_wait_for_an_account': m0037,
  '0039_an_entry_is_found_by_machine_and_person': m0039,
  '0040_a_directory_knows_users': m0040,
  '0041_an_exposure_is_due': m0041,
  '0042_a_grant_gets_more_time': m0042,
  '0043_a_session_is_closed_out': m0043,
  '0044_a_policy_asked_for_is_followed': m0044,
  '0045_two_users_are_one_person': m0045,
  '0046_a_desktop_is_logged_in_to': m0046,
  '0049_a_secret_is_typed_into_a_desktop': m0049,
  '0051_a_credential_is_rotated': m0051,
  '0056_a_region_of_a_screen_is_not_recorded': m0056,
  '0060_a_safe_has_an_emergency_kit': m0060,
  '0064_an_account_is_changed_through_another': m0064,
  '0065_people_change_what_no_machine_can': m0065,
  '0066_a_secret_is_kept_in_two_places': m0066,
  '0068_files_go_beside_a_desktop': m0068,
  '0069_a_recipe_says_how_a_machine_is_told': m0069,
  '0070_a_recording_is_found_and_reviewed': m0070,
  '0072_the_log_is_sent_on': m0072,
  '0077_recordings_are_kept_for_a_time': m0077,
  '0078_a_recording_is_destroyed_by_two': m0078,
  '0081_what_is_out_of_the_ordinary_is_marked': m0081,
  '0082_rotations_have_a_rate': m0082,
  '0085_files_of_a_session_have_a_bound': m0085,
  '0087_an_auditor_notes_what_they_saw': m0087,
  '0088_people_say_who_still_needs_what': m0088,
}
