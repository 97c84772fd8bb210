"""How this Alipay says no: a sub_code as Alipay spells it, and the code that stands above it. Source: dossier 1.10."""

_OF_THE_GATEWAY = {
    "isv.missing-method": ("40001", "Missing Required Arguments", "缺少方法名参数"),
    "isv.missing-app-cert-sn": ("40001", "Missing Required Arguments", "缺少应用公钥证书序列号"),
    "isv.invalid-app-id": ("40002", "Invalid Arguments", "无效的AppID参数"),
    "isv.invalid-charset": ("40002", "Invalid Arguments", "字符集错误"),
    "isv.invalid-signature": ("40002", "Invalid Arguments", "无效签名"),
    "isv.invalid-method": ("40002", "Invalid Arguments", "不存在的方法名"),
    "isv.invalid-encrypt": ("40002", "Invalid Arguments", "解密异常"),
    "isv.app-cert-not-exist": ("40002", "Invalid Arguments", "应用公钥证书不存在"),
    "isv.invalid-alipay-root-cert-sn": ("40002", "Invalid Arguments", "无效的支付宝根证书序列号"),
    "isv.app-call-limited": ("40005", "Call Limited", "应用调用次数超限"),
}
SYSTEM_ERROR = "ACQ.SYSTEM_ERROR"


class Refused(Exception):
    """A request that is not done. sub_code as Alipay spells it; code 40004 unless the gateway itself refuses.

    is_of_gateway  such an answer is not signed
    """

    def __init__(self, sub_code: str, sub_msg: str = "") -> None:
        code, msg, text = _OF_THE_GATEWAY.get(sub_code, ("40004", "Business Failed", sub_msg))
        super().__init__(sub_code)
        self.sub_code = sub_code
        self.fields = {"code": code, "msg": msg, "sub_code": sub_code, "sub_msg": text}
        self.is_of_gateway = sub_code in _OF_THE_GATEWAY


def invalid(field: str = "") -> Refused:
    """A parameter that Alipay does not take."""
    return Refused("ACQ.INVALID_PARAMETER", f"{field} 无效".strip() if field else "参数无效")
