"""Names of the standard event codes of ST74 and ST76 (C12.19 §HISTORY & EVENT LOG CODES)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NAMES = """
none primary_power_down primary_power_up time_changed_old_time time_changed_new_time
time_changed_old_stime time_changed_new_stime accessed_for_read accessed_for_write procedure_invoked
table_written device_programmed communication_ended_normally communication_ended_abnormally list_pointers_reset
list_pointers_updated history_log_cleared history_log_pointers_updated event_log_cleared event_log_pointers_updated
demand_reset self_read dst_on dst_off season_change
rate_change special_schedule_activated tier_switch pending_table_activated pending_activation_cleared
metering_mode_started metering_mode_stopped test_mode_started test_mode_stopped meter_shop_mode_started
meter_shop_mode_stopped device_reprogrammed configuration_error self_check_error ram_failure
rom_failure nonvolatile_memory_failure clock_error measurement_error low_battery
low_loss_potential demand_overload tamper_attempt reverse_rotation control_point_changed_by_command
control_point_changed_by_schedule control_point_changed_by_condition control_point_changed_for_prepayment
credit_added credit_subtracted
credit_adjusted device_sealed device_unsealed procedure_invoked_with_values table_written_with_values
programmed_with_values sealed_with_values unsealed_with_values procedure_invoked_with_signature
table_written_with_signature
programmed_with_signature sealed_with_signature unsealed_with_signature procedure_invoked_with_signature_and_values
table_written_with_signature_and_values
programmed_with_signature_and_values sealed_with_signature_and_values unsealed_with_signature_and_values
secured_table_read secured_register_read
secured_table_read_with_values secured_register_read_with_values
"""

#: Names by code, 0 to 76.
EVENT_NAMES = tuple(_NAMES.split())


def event_name(code: int, *, manufacturer: bool, own: Mapping[int, str] = MappingProxyType({})) -> str:
    """Return the name of an event code: of a vendor's by the profile's `own` names, else `manufacturer_event_20`.

    A reserved standard code is `event_99`.
    """
    if manufacturer:
        return own.get(code, f"manufacturer_event_{code}")
    return EVENT_NAMES[code] if code < len(EVENT_NAMES) else f"event_{code}"
